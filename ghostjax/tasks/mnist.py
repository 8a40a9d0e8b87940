"""MNIST and its relatives, read from a local folder."""

from pathlib import Path
from typing import Literal

import numpy as np

from ghostjax._types import require
from ghostjax.tasks._files import data_folder, find, refuse
from ghostjax.tasks._idx import read_idx
from ghostjax.tasks.arrays import ArrayTask, over_nodes, Shares
from ghostjax.tasks.models import AbstractModel, MLP


Split = tuple[np.ndarray, np.ndarray]
"""Images as bytes `[N, height, width, channels]` and labels `[N]`."""

EMNIST = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}
"""The splits of EMNIST and their numbers of classes."""


def load_mnist(folder: str | Path | None = None) -> tuple[Split, Split]:
    """MNIST as `(train, test)` pairs of images `[N, 28, 28, 1]` (bytes) and labels `[N]` (0 to 9).

    Reads `train-images-idx3-ubyte` and its three companions, plain or `.gz`, from `mnist/`, `MNIST/`, `MNIST/raw/`
    or directly in `folder`, or the folder that the environment variable GHOSTJAX_DATA names. Errors: `DataError`
    for a missing file (with the names looked for) and for one of the wrong kind, size or label range.

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998.
    """
    return _load("load_mnist", folder, ("mnist", "MNIST", "MNIST/raw", ""), ("train", "t10k"), 10)


def load_fashion_mnist(folder: str | Path | None = None) -> tuple[Split, Split]:
    """Fashion-MNIST as `load_mnist`.

    Files in `fashion_mnist/`, `fashion-mnist/`, `FashionMNIST/` or `FashionMNIST/raw/`; not in `folder` itself, where
    files of the same names may be MNIST.

    Source: Xiao et al., Fashion-MNIST, arXiv:1708.07747.
    """
    places = ("fashion_mnist", "fashion-mnist", "FashionMNIST", "FashionMNIST/raw")
    return _load("load_fashion_mnist", folder, places, ("train", "t10k"), 10)


def load_emnist(
    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = "balanced",
    folder: str | Path | None = None,
) -> tuple[Split, Split]:
    """One split of EMNIST as `load_mnist`; files `emnist-SPLIT-train-images-idx3-ubyte` and companions.

    Files may be in `emnist/`, `EMNIST/`, `EMNIST/raw/`, `gzip/` or `folder` itself. EMNIST stores images transposed;
    here they are upright as in MNIST. The labels of `letters` start at 1 in the files and at 0 here.

    Source: Cohen et al., EMNIST: an extension of MNIST to handwritten letters, arXiv:1702.05373.
    """
    require(split in EMNIST, "load_emnist", "split", split, f"use one of {', '.join(EMNIST)}")
    names = (f"emnist-{split}-train", f"emnist-{split}-test")
    places = ("emnist", "EMNIST", "EMNIST/raw", "gzip", "")
    first = 1 if split == "letters" else 0
    pairs = _load("load_emnist", folder, places, names, EMNIST[split], first)
    (x, y), (test_x, test_y) = ((images.swapaxes(1, 2), labels) for images, labels in pairs)
    return (x, y), (test_x, test_y)


def mnist(
    num_nodes: int,
    *,
    alpha: float = 0.3,
    partition: Shares | None = None,
    model: AbstractModel | None = None,
    batch_size: int = 32,
    seed: int = 0,
    folder: str | Path | None = None,
) -> ArrayTask:
    """MNIST over `num_nodes` nodes, Dirichlet(`alpha`) unless a `partition` (or a function of labels) is given.

    The model is an MLP 784-64-10 unless given; `models.cnn_32_64()` and `models.cnn_20_50()` are those of the
    literature. Inputs are normalised by mean 0.1307 and deviation 0.3081. Files as in `load_mnist`. Of their 60,000
    training examples, 1000 are the audit set and 5000 the validation set, the same ones for every `seed`; `partition`
    indexes the other 54,000 (`task.splits`).
    """
    options = {"shift": 0.1307, "scale": 0.3081, "batch_size": batch_size}
    model = model or MLP((784, 64, 10))
    return over_nodes("mnist", load_mnist(folder), num_nodes, model, partition, alpha, seed, **options)


def fashion_mnist(
    num_nodes: int,
    *,
    alpha: float = 0.3,
    partition: Shares | None = None,
    model: AbstractModel | None = None,
    batch_size: int = 32,
    seed: int = 0,
    folder: str | Path | None = None,
) -> ArrayTask:
    """Fashion-MNIST over nodes, as `mnist`; normalised by mean 0.2860 and deviation 0.3530."""
    options = {"shift": 0.2860, "scale": 0.3530, "batch_size": batch_size}
    model = model or MLP((784, 64, 10))
    return over_nodes("fashion_mnist", load_fashion_mnist(folder), num_nodes, model, partition, alpha, seed, **options)


def emnist(
    num_nodes: int,
    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = "balanced",
    *,
    alpha: float = 0.3,
    partition: Shares | None = None,
    model: AbstractModel | None = None,
    batch_size: int = 32,
    seed: int = 0,
    folder: str | Path | None = None,
) -> ArrayTask:
    """A split of EMNIST over nodes, as `mnist`; normalised by mean 0.1736 and deviation 0.3317.

    The audit set has 1000 of the training examples, the validation set 5000, of any split.
    """
    options = {"shift": 0.1736, "scale": 0.3317, "batch_size": batch_size}
    model = model or MLP((784, 64, EMNIST[split]))
    return over_nodes("emnist", load_emnist(split, folder), num_nodes, model, partition, alpha, seed, **options)


def _load(
    call: str,
    folder: str | Path | None,
    places: tuple[str, ...],
    prefixes: tuple[str, str],
    num_classes: int,
    first: int = 0,
) -> tuple[Split, Split]:
    root = data_folder(call, folder)

    def part(prefix: str) -> Split:
        def path(kind: str, axes: int) -> Path:
            stems = (f"{prefix}-{kind}-idx{axes}-ubyte", f"{prefix}-{kind}.idx{axes}-ubyte")
            return find(call, root, places, [stem + end for stem in stems for end in ("", ".gz")])

        images, labels = path("images", 3), path("labels", 1)
        x, y = read_idx(images, ndim=3, tail=(28, 28)), read_idx(labels, ndim=1)
        if len(x) != len(y):
            raise refuse(labels, f"{len(x)} labels, one per image of {images.name}", f"{len(y)}")
        if len(y) == 0 or y.min() < first or y.max() >= first + num_classes:
            seen = f"{y.min()} to {y.max()}" if len(y) else "none"
            raise refuse(labels, f"labels {first} to {first + num_classes - 1}", seen)
        return x[..., None], y.astype(np.int32) - first

    return part(prefixes[0]), part(prefixes[1])
