"""Convolutional networks of the literature on robust learning."""

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import jax
from jaxtyping import Array, Float, PyTree

from ghostjax._border import number, shown, whole
from ghostjax._kernels import dense_product
from ghostjax._types import Key, require, static_field
from ghostjax.tasks.models._base import AbstractModel
from ghostjax.tasks.models._layers import convolve, dropout, max_pool


class Conv(NamedTuple):
    """A convolution with stride 1: number of output channels, kernel side, zero padding, 2 x 2 max pool after it."""

    channels: int
    side: int
    padding: int = 0
    pool: bool = False


class CNN(AbstractModel):
    """Convolutions with relu (and optional pooling), then dense layers with relu between them.

    Inputs `[b, ...]` are read as images `[b, height, width, channels]` of `shape`. With a key, whole channels
    after the last convolution are dropped with rate `dropout[0]` and units after each hidden dense layer with
    rate `dropout[1]`; without a key there is no dropout. Weights and biases start uniform in +-1/sqrt(inputs).
    **Static:** everything.
    """

    sequential: ClassVar[bool] = True

    shape: tuple[int, int, int] = static_field()
    convs: tuple[Conv, ...] = static_field()
    dense: tuple[int, ...] = static_field()
    dropout: tuple[float, float] = static_field(default=(0.0, 0.0))

    def __check_init__(self):
        call = "CNN"
        for name in ("shape", "convs", "dense", "dropout"):
            value = getattr(self, name)
            require(isinstance(value, tuple), call, name, shown(value), "give a tuple")
        require(len(self.shape) == 3, call, "shape", self.shape, "give (height, width, channels)")
        require(self.dense, call, "dense", self.dense, "give the number of classes at least, (10,)")
        for name, sizes in {"shape": self.shape, "dense": self.dense}.items():
            for size in sizes:
                whole(size, call, name, low=1)
        for conv in self.convs:
            require(isinstance(conv, Conv), call, "convs", shown(conv), "give models.Conv(channels, side)")
            whole(conv.channels, call, "convs.channels", low=1)
            whole(conv.side, call, "convs.side", low=1)
            whole(conv.padding, call, "convs.padding", low=0)
        require(len(self.dropout) == 2, call, "dropout", self.dropout, "give two rates")
        for rate in self.dropout:
            require(number(rate, call, "dropout", low=0) < 1, call, "dropout", rate, "must lie in [0, 1)")
        self._features()

    def _features(self) -> int:
        h, w, c = self.shape
        for conv in self.convs:
            shrink = conv.side - 1 - 2 * conv.padding
            h, w, c = h - shrink, w - shrink, conv.channels
            h, w = (h // 2, w // 2) if conv.pool else (h, w)
            require(min(h, w) >= 1, "CNN", "convs", conv, f"nothing is left of an image of shape {self.shape}")
        return h * w * c

    def init(self, key: Key) -> PyTree:
        shapes: list[tuple[int, ...]] = []
        channels = self.shape[2]
        for conv in self.convs:
            shapes.append((conv.side, conv.side, channels, conv.channels))
            channels = conv.channels
        width = self._features()
        for out in self.dense:
            shapes.append((width, out))
            width = out
        return [_layer(k, shape) for k, shape in zip(jax.random.split(key, len(shapes)), shapes, strict=True)]

    def apply(self, params: PyTree, x: Float[Array, "b ..."], key: Key | None) -> Float[Array, "b c"]:
        convs, dense = params[: len(self.convs)], params[len(self.convs) :]
        # Channels first and examples last: see `convolve`.
        x = x.reshape(x.shape[0], *self.shape).transpose(3, 1, 2, 0)
        for layer, conv in zip(convs, self.convs, strict=True):
            x = convolve(x, layer["w"], layer["b"], conv.padding)
            # relu after the pool is relu before it, on a quarter of the entries.
            x = jax.nn.relu(max_pool(x) if conv.pool else x)
        keys = None if key is None or not any(self.dropout) else jax.random.split(key, len(dense))
        if keys is not None and self.dropout[0]:
            x = dropout(x, self.dropout[0], keys[-1], axes=(0, 3))
        x = x.reshape(math.prod(x.shape[:3]), x.shape[3]).T
        for i, layer in enumerate(dense[:-1]):
            x = jax.nn.relu(dense_product(x, layer["w"]) + layer["b"][None, :])
            if keys is not None and self.dropout[1]:
                x = dropout(x, self.dropout[1], keys[i])
        return dense_product(x, dense[-1]["w"]) + dense[-1]["b"][None, :]


def _layer(key: Key, shape: Sequence[int]) -> dict[str, Array]:
    w, b = jax.random.split(key)
    bound = 1 / math.sqrt(math.prod(shape[:-1]))
    return {
        "w": jax.random.uniform(w, tuple(shape), minval=-bound, maxval=bound),
        "b": jax.random.uniform(b, shape[-1:], minval=-bound, maxval=bound),
    }


def cnn_32_64(num_classes: int = 10, *, dropout: tuple[float, float] = (0.25, 0.5)) -> CNN:
    """The MNIST network of the bucketing paper: conv 32, conv 64, pool, dense 128, with dropout; d = 1199882.

    3x3 convolutions without padding on 28x28x1; channels dropped with rate 1/4 after the pool and units with
    1/2 after the hidden layer.

    Source: Karimireddy et al., Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing,
    arXiv:2006.09365.
    """
    return CNN((28, 28, 1), (Conv(32, 3), Conv(64, 3, pool=True)), (128, num_classes), dropout)


def cnn_20_50(num_classes: int = 10) -> CNN:
    """The other MNIST network of the literature: conv 20, pool, conv 50, pool, dense 500; d = 431080.

    5x5 convolutions without padding on 28x28x1.

    Source: Allouah et al., Fixing by Mixing: A Recipe for Optimal Byzantine ML under Heterogeneity,
    arXiv:2302.01772.
    """
    return CNN((28, 28, 1), (Conv(20, 5, pool=True), Conv(50, 5, pool=True)), (500, num_classes))


def cnn_digits(num_classes: int = 10) -> CNN:
    """A small network for the 8x8 digits: conv 8, pool, conv 16, linear; 3x3 with padding; d = 3818."""
    return CNN((8, 8, 1), (Conv(8, 3, 1, pool=True), Conv(16, 3, 1)), (num_classes,))


def cnn_cifar(num_classes: int = 10) -> CNN:
    """A small network for 32x32x3 images: conv 32, pool, conv 64, pool, dense 128; 3x3 with padding."""
    return CNN((32, 32, 3), (Conv(32, 3, 1, pool=True), Conv(64, 3, 1, pool=True)), (128, num_classes))
