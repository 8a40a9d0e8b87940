"""Partitioners: labels -> the examples of each node, one per file."""

from ghostjax.tasks.partition._base import checked as checked, pack as pack, Partition as Partition
from ghostjax.tasks.partition.by_id import by_id as by_id
from ghostjax.tasks.partition.describe import describe as describe, Heterogeneity as Heterogeneity
from ghostjax.tasks.partition.dirichlet import dirichlet as dirichlet
from ghostjax.tasks.partition.dirichlet_per_node import dirichlet_per_node as dirichlet_per_node
from ghostjax.tasks.partition.extreme import extreme as extreme
from ghostjax.tasks.partition.gamma_similarity import gamma_similarity as gamma_similarity
from ghostjax.tasks.partition.iid import iid as iid
from ghostjax.tasks.partition.long_tail import long_tail as long_tail
from ghostjax.tasks.partition.pathological import pathological as pathological
from ghostjax.tasks.partition.shards import shards as shards
