"""CIFAR-10 and CIFAR-100, read from a local folder."""

from pathlib import Path
from typing import Any

import numpy as np

from ghostjax.tasks._files import data_folder, find, refuse
from ghostjax.tasks._pickle import read_pickle
from ghostjax.tasks.arrays import ArrayTask, over_nodes, Shares
from ghostjax.tasks.models import AbstractModel, cnn_cifar


Split = tuple[np.ndarray, np.ndarray]
"""Images as bytes `[N, 32, 32, 3]` and labels `[N]`."""


def load_cifar10(folder: str | Path | None = None) -> tuple[Split, Split]:
    """CIFAR-10 as `(train, test)` pairs of images `[N, 32, 32, 3]` (bytes) and labels `[N]` (0 to 9).

    Reads `data_batch_1` to `data_batch_5` and `test_batch` of the python version (in `cifar-10-batches-py/`), or the
    same names with `.bin` of the binary version (in `cifar-10-batches-bin/`), below `folder` or `folder/cifar10`, or
    the folder that GHOSTJAX_DATA names. Pickles are read by an unpickler that can build arrays and plain data and
    nothing else. Errors: `DataError` for missing files and for files of the wrong kind, size or label range.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    call, root = "load_cifar10", data_folder("load_cifar10", folder)
    places = [f"{at}{kind}" for at in ("", "cifar10/") for kind in ("cifar-10-batches-py", "cifar-10-batches-bin", "")]

    def part(name: str) -> Split:
        path = find(call, root, places, (name, f"{name}.bin"))
        return _binary(path, 1, 10) if path.suffix == ".bin" else _pickled(path, b"labels", 10)

    batches = [part(f"data_batch_{i}") for i in range(1, 6)]
    x, y = (np.concatenate(pieces) for pieces in zip(*batches, strict=True))
    return (x, y), part("test_batch")


def load_cifar100(folder: str | Path | None = None, *, coarse: bool = False) -> tuple[Split, Split]:
    """CIFAR-100 as `load_cifar10`: `train` and `test` of `cifar-100-python/`, or with `.bin` of `cifar-100-binary/`.

    Labels are the 100 fine classes, or the 20 `coarse` ones.
    """
    call, root = "load_cifar100", data_folder("load_cifar100", folder)
    places = [f"{at}{kind}" for at in ("", "cifar100/") for kind in ("cifar-100-python", "cifar-100-binary", "")]
    field, classes = (b"coarse_labels", 20) if coarse else (b"fine_labels", 100)

    def part(name: str) -> Split:
        path = find(call, root, places, (name, f"{name}.bin"))
        if path.suffix == ".bin":
            return _binary(path, 2, classes, column=0 if coarse else 1)
        return _pickled(path, field, classes)

    return part("train"), part("test")


def cifar10(
    num_nodes: int,
    *,
    alpha: float = 0.3,
    partition: Shares | None = None,
    model: AbstractModel | None = None,
    batch_size: int = 32,
    seed: int = 0,
    folder: str | Path | None = None,
) -> ArrayTask:
    """CIFAR-10 over `num_nodes` nodes, Dirichlet(`alpha`) unless a `partition` (or a function of labels) is given.

    The model is `models.cnn_cifar()` unless given. Inputs are normalised per channel. Files as in `load_cifar10`. Of
    their 50,000 training examples, 1000 are the audit set and 5000 the validation set, the same ones for every `seed`;
    `partition` indexes the other 44,000 (`task.splits`).
    """
    scaling = {"shift": (0.4914, 0.4822, 0.4465), "scale": (0.2470, 0.2435, 0.2616)}
    options = {**scaling, "batch_size": batch_size, "eval_batch": 500}
    return over_nodes(
        "cifar10", load_cifar10(folder), num_nodes, model or cnn_cifar(10), partition, alpha, seed, **options
    )


def cifar100(
    num_nodes: int,
    *,
    alpha: float = 0.3,
    partition: Shares | None = None,
    model: AbstractModel | None = None,
    batch_size: int = 32,
    seed: int = 0,
    folder: str | Path | None = None,
    coarse: bool = False,
) -> ArrayTask:
    """CIFAR-100 over nodes, as `cifar10`; 20 classes instead of 100 with `coarse`."""
    scaling = {"shift": (0.5071, 0.4865, 0.4409), "scale": (0.2673, 0.2564, 0.2762)}
    options = {**scaling, "batch_size": batch_size, "eval_batch": 500}
    data, model = load_cifar100(folder, coarse=coarse), model or cnn_cifar(20 if coarse else 100)
    return over_nodes("cifar100", data, num_nodes, model, partition, alpha, seed, **options)


def _binary(path: Path, labels: int, num_classes: int, column: int = 0) -> Split:
    """Records of `labels` label bytes and an image of 3072 bytes."""
    width = labels + 3072
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise refuse(path, "a file that can be read", str(error)) from error
    if data.size == 0 or data.size % width:
        raise refuse(path, f"records of {width} bytes", f"{data.size} bytes, which is no multiple")
    rows = data.reshape(-1, width)
    return _checked(path, rows[:, labels:], rows[:, column], num_classes)


def _pickled(path: Path, field: bytes, num_classes: int) -> Split:
    held: Any = read_pickle(path)
    # Keys are bytes in the files as published and text in copies written by Python 3.
    named = {k.encode() if isinstance(k, str) else k: v for k, v in held.items()} if isinstance(held, dict) else {}
    if b"data" not in named or field not in named:
        seen = sorted(repr(key)[:20] for key in named)[:8] if named else f"a {type(held).__name__}"
        raise refuse(path, f"a dict with 'data' and {field.decode()!r}", f"{seen}")
    x, listed = named[b"data"], named[field]
    flat = isinstance(listed, np.ndarray) or (isinstance(listed, list) and all(type(v) in (int, float) for v in listed))
    if not flat:
        raise refuse(path, "integer labels, one per image", f"a {type(listed).__name__} of other things")
    y = np.asarray(listed)
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != 3072:
        seen = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
        raise refuse(path, "'data' as bytes of shape [N, 3072]", seen)
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
        raise refuse(path, f"{len(x)} integer labels, one per image", f"{y.dtype} of shape {y.shape}")
    return _checked(path, x, y, num_classes)


def _checked(path: Path, x: np.ndarray, y: np.ndarray, num_classes: int) -> Split:
    if len(y) == 0 or y.min() < 0 or y.max() >= num_classes:
        raise refuse(path, f"labels 0 to {num_classes - 1}", f"{y.min()} to {y.max()}" if len(y) else "none")
    # Stored as three planes of 32 x 32.
    images = x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), y.astype(np.int32)
