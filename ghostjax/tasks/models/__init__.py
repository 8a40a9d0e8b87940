"""Models: `init(key) -> params`, `apply(params, x, key) -> outputs`, one per file."""

from ghostjax.tasks.models._base import AbstractModel as AbstractModel
from ghostjax.tasks.models.mlp import MLP as MLP
