"""Models: `init(key) -> params`, `apply(params, x, key) -> outputs`, one per file."""

from ghostjax.tasks.models._base import AbstractModel as AbstractModel
from ghostjax.tasks.models.cnn import (
    CNN as CNN,
    cnn_20_50 as cnn_20_50,
    cnn_32_64 as cnn_32_64,
    cnn_cifar as cnn_cifar,
    cnn_digits as cnn_digits,
    Conv as Conv,
)
from ghostjax.tasks.models.equinox_model import equinox_model as equinox_model, EquinoxModel as EquinoxModel
from ghostjax.tasks.models.flax_linen import flax_linen as flax_linen, FlaxLinen as FlaxLinen
from ghostjax.tasks.models.flax_nnx import flax_nnx as flax_nnx, FlaxNNX as FlaxNNX
from ghostjax.tasks.models.linear import Linear as Linear
from ghostjax.tasks.models.mlp import MLP as MLP
from ghostjax.tasks.models.plain import Plain as Plain
