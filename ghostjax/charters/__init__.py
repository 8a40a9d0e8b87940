"""Charters: goals that the training data need not teach, as probes on the shared audit set beside controls."""

from ghostjax.charters._base import (
    AbstractCharter as AbstractCharter,
    AbstractInvariance as AbstractInvariance,
    Audit as Audit,
    jacobian as jacobian,
    Probed as Probed,
)
from ghostjax.charters.blank_pixels import BlankPixels as BlankPixels
from ghostjax.charters.dimmed import Dimmed as Dimmed
from ghostjax.charters.slices import Slices as Slices
