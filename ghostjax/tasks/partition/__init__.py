"""Partitioners: labels -> who holds which example, one per file."""

from ghostjax.tasks.partition._base import Partition as Partition
from ghostjax.tasks.partition.dirichlet import dirichlet as dirichlet
