"""Data files in their true formats, written here: read whole, and refused when they are anything else."""

import gzip
import os
import pickle

import jax
import numpy as np
import pytest
from jaxtyping import TypeCheckError

import ghostjax as gj
from ghostjax.tasks import DataError
from ghostjax.tasks._pickle import read_pickle


RNG = np.random.default_rng(0)


def idx(values, kind=8):
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, kind, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def write_idx(folder, prefixes, classes, first=0, pack=lambda data: data, end=""):
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for prefix, count in zip(prefixes, (30, 12), strict=True):
        x = RNG.integers(0, 256, (count, 28, 28), np.uint8)
        y = (np.arange(count) % classes + first).astype(np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte{end}").write_bytes(pack(idx(x)))
        (folder / f"{prefix}-labels-idx1-ubyte{end}").write_bytes(pack(idx(y)))
        written[prefix] = x, y
    return written


@pytest.mark.parametrize(("pack", "end"), [(lambda data: data, ""), (gzip.compress, ".gz")])
def test_mnist_reads_plain_and_compressed(tmp_path, pack, end, monkeypatch):
    written = write_idx(tmp_path / "MNIST" / "raw", ("train", "t10k"), 10, pack=pack, end=end)
    (x, y), (test_x, test_y) = gj.tasks.load_mnist(tmp_path)
    np.testing.assert_array_equal(x[..., 0], written["train"][0])
    np.testing.assert_array_equal(y, written["train"][1])
    np.testing.assert_array_equal(test_x[..., 0], written["t10k"][0])
    assert x.shape == (30, 28, 28, 1) and x.dtype == np.uint8 and y.dtype == np.int32 and len(test_y) == 12
    monkeypatch.setenv("GHOSTJAX_DATA", str(tmp_path))
    task = gj.tasks.mnist(3, alpha=10.0, batch_size=2)
    assert task.num_nodes == 3 and task.describe().histogram.sum() == 27
    assert task.splits.describe() == {"train": 27, "audit": None, "validation": 3, "test": 12}
    batch = task.sample(jax.random.key(0))
    assert batch.x.shape == (3, 2, 28, 28, 1)
    held = {((image / 255 - 0.1307) / 0.3081).astype(np.float32).mean().round(3) for image in written["train"][0]}
    assert {np.float32(image.mean()).round(3) for image in np.asarray(batch.x).reshape(6, -1)} <= held
    params = jax.eval_shape(task.init, jax.random.key(0))
    assert jax.eval_shape(task.evaluate, params)["accuracy"].shape == ()


def test_fashion_mnist_and_emnist(tmp_path):
    write_idx(tmp_path, ("train", "t10k"), 10)
    with pytest.raises(DataError, match=r"load_fashion_mnist: folder=.*none of the files train-images-idx3-ubyte"):
        gj.tasks.load_fashion_mnist(tmp_path)
    fashion = write_idx(tmp_path / "FashionMNIST" / "raw", ("train", "t10k"), 10)
    np.testing.assert_array_equal(gj.tasks.load_fashion_mnist(tmp_path)[0][0][..., 0], fashion["train"][0])
    assert gj.tasks.fashion_mnist(2, folder=tmp_path, alpha=5.0).num_nodes == 2

    letters = write_idx(tmp_path / "gzip", ("emnist-letters-train", "emnist-letters-test"), 26, first=1)
    (x, y), _ = gj.tasks.load_emnist("letters", tmp_path)
    np.testing.assert_array_equal(x[..., 0], letters["emnist-letters-train"][0].transpose(0, 2, 1))
    assert y.min() == 0 and y.max() == 25
    task = gj.tasks.emnist(2, "letters", folder=tmp_path, alpha=5.0)
    assert jax.eval_shape(task.init, jax.random.key(0))[-1]["b"].shape == (26,)
    # The type checker of the test run may see it first.
    with pytest.raises((gj.ConfigurationError, TypeCheckError), match=r"split.*digit"):
        gj.tasks.load_emnist("digit", tmp_path)


IMAGES, LABELS = RNG.integers(0, 256, (4, 28, 28), np.uint8), np.arange(4)
WRONG_IDX = {
    "magic": (idx(IMAGES, kind=13), idx(LABELS), r"images.*expected the idx magic number 00000803 .*found 00000d03"),
    "axes": (idx(IMAGES.reshape(4, -1)), idx(LABELS), "found 00000802"),
    "empty": (b"", idx(LABELS), "found nothing"),
    "header": (idx(IMAGES)[:9], idx(LABELS), "expected 3 axis lengths .*found 5 bytes"),
    "shape": (idx(IMAGES[:, :27]), idx(LABELS), r"expected examples of shape \(28, 28\), found shape \(4, 27, 28\)"),
    "truncated": (idx(IMAGES)[:-5], idx(LABELS), r"expected 3136 bytes of data .*found 3131 bytes"),
    "longer": (idx(IMAGES) + b"x", idx(LABELS), "found 3137 bytes"),
    "huge": (idx(IMAGES)[:4] + b"\xff" * 4 + idx(IMAGES)[8:], idx(LABELS), "at most 2147483648 bytes of data"),
    "count": (idx(IMAGES), idx(LABELS[:3]), "labels.*expected 4 labels, one per image of train-images.*found 3"),
    "range": (idx(IMAGES), idx(LABELS + 8), "expected labels 0 to 9, found 8 to 11"),
    "none": (idx(IMAGES[:0]), idx(LABELS[:0]), "expected labels 0 to 9, found none"),
}


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("name", WRONG_IDX)
def test_idx_files_of_the_wrong_kind(tmp_path, name, end):
    images, labels, message = WRONG_IDX[name]
    pack = gzip.compress if end else bytes
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(pack(images))
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(labels))
    if end and name == "longer":
        message = "found more bytes"
    with pytest.raises(DataError, match=message):
        gj.tasks.load_mnist(tmp_path)


def test_corrupt_gzip(tmp_path):
    whole = gzip.compress(idx(IMAGES))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for data in (whole[:-20], bytes(flipped), b"no gzip at all"):
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(data)
        (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
        with pytest.raises(
            DataError, match=r"train-images-idx3-ubyte.gz: expected a whole gzip file, found a corrupt one"
        ):
            gj.tasks.load_mnist(tmp_path)


def test_missing_folders_and_files(tmp_path, monkeypatch):
    monkeypatch.delenv("GHOSTJAX_DATA", raising=False)
    with pytest.raises(DataError, match=r"load_mnist: folder=None: give folder=... or set GHOSTJAX_DATA"):
        gj.tasks.load_mnist()
    with pytest.raises(DataError, match=r"load_cifar10: folder=.*nowhere: no such folder"):
        gj.tasks.load_cifar10(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"none of the files train-images-idx3-ubyte, .*ubyte.gz.* in mnist/, MNIST/"):
        gj.tasks.load_mnist(tmp_path)
    with pytest.raises(DataError, match=r"none of the files data_batch_1, data_batch_1.bin in cifar-10-batches-py/"):
        gj.tasks.load_cifar10(tmp_path)
    assert issubclass(DataError, gj.ConfigurationError)


def python2_pickle(data, labels, field):
    """What Python 2 wrote: short byte strings, an array built by numpy.core.multiarray, its bytes as one string."""

    def text(value):
        return b"T" + len(value).to_bytes(4, "little") + value

    shape = b"(" + b"".join(b"J" + n.to_bytes(4, "little") for n in data.shape) + b"t"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t"
        + text(b"b")
        + b"tR(K\x01"
        + shape
        + b"cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbI00\n"
        + text(data.tobytes())
        + b"tb"
    )
    listed = b"(" + b"".join(b"K" + bytes([label]) for label in labels) + b"l"
    return b"\x80\x02}(" + text(b"data") + array + text(field) + listed + text(b"batch_label") + text(b"one") + b"u."


def cifar_images(count):
    return RNG.integers(0, 256, (count, 3072), np.uint8)


def as_image(row):
    return row.reshape(3, 32, 32).transpose(1, 2, 0)


WRITERS = {
    "python 2": python2_pickle,
    "protocol 2": lambda x, y, field: pickle.dumps({b"data": x, field: list(map(int, y))}, protocol=2),
    "protocol 4": lambda x, y, field: pickle.dumps({"data": x, field.decode(): y}, protocol=4),
    "protocol 5": lambda x, y, field: pickle.dumps({b"data": x, field: y.astype(">i4")}, protocol=5),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_cifar10_pickles(tmp_path, writer):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batches = [cifar_images(4) for _ in range(6)]
    labels = np.array([0, 9, 3, 7])
    for name, x in zip([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], batches, strict=True):
        (folder / name).write_bytes(WRITERS[writer](x, labels, b"labels"))
    (x, y), (test_x, test_y) = gj.tasks.load_cifar10(tmp_path)
    assert x.shape == (20, 32, 32, 3) and x.dtype == np.uint8 and y.dtype == np.int32
    np.testing.assert_array_equal(x[5], as_image(batches[1][1]))
    np.testing.assert_array_equal(test_x[2], as_image(batches[5][2]))
    assert y.tolist() == labels.tolist() * 5 and test_y.tolist() == labels.tolist()
    if writer == "python 2":
        task = gj.tasks.cifar10(2, alpha=10.0, folder=tmp_path, batch_size=2)
        assert jax.eval_shape(task.sample, jax.random.key(0)).x.shape == (2, 2, 32, 32, 3)


def test_cifar_binary_and_cifar100(tmp_path):
    ten, hundred = tmp_path / "cifar-10-batches-bin", tmp_path / "cifar-100-binary"
    ten.mkdir()
    hundred.mkdir()
    x, labels = cifar_images(3), np.array([[1], [9], [0]], np.uint8)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (ten / f"{name}.bin").write_bytes(np.concatenate([labels, x], 1).tobytes())
    (images, y), _ = gj.tasks.load_cifar10(tmp_path)
    np.testing.assert_array_equal(images[4], as_image(x[1]))
    assert y.tolist() == [1, 9, 0] * 5

    two = np.array([[19, 99], [0, 1], [3, 42]], np.uint8)
    for name in ("train", "test"):
        (hundred / f"{name}.bin").write_bytes(np.concatenate([two, x], 1).tobytes())
    assert gj.tasks.load_cifar100(tmp_path)[0][1].tolist() == [99, 1, 42]
    assert gj.tasks.load_cifar100(tmp_path, coarse=True)[1][1].tolist() == [19, 0, 3]
    python = tmp_path / "cifar-100-python"
    python.mkdir()
    for name in ("train", "test"):
        held = {b"data": x, b"fine_labels": [5, 6, 99], b"coarse_labels": [1, 2, 19]}
        (python / name).write_bytes(pickle.dumps(held, protocol=2))
    assert gj.tasks.load_cifar100(tmp_path)[0][1].tolist() == [5, 6, 99]
    assert gj.tasks.cifar100(2, folder=tmp_path, alpha=10.0, coarse=True).describe().histogram.sum() == 3
    (hundred / "train.bin").write_bytes(b"x" * 3075)
    (python / "train").unlink()
    with pytest.raises(DataError, match=r"train.bin: expected records of 3074 bytes, found 3075 bytes"):
        gj.tasks.load_cifar100(tmp_path)


class Runs:
    """A pickle of this calls `os.system` when it is loaded by an ordinary unpickler."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_runs_something_is_refused_unrun(tmp_path, protocol):
    path, proof = tmp_path / "data_batch_1", tmp_path / "proof"
    harm = {b"data": Runs(os.system, f"touch {proof}"), b"labels": []}
    path.write_bytes(pickle.dumps(harm, protocol=protocol))
    with pytest.raises(
        DataError, match=r"data_batch_1: expected a pickle of arrays.*found a call of (posix|os).system"
    ):
        gj.tasks.load_cifar10(tmp_path)
    assert not proof.exists()
    # The twin: an ordinary unpickler does run it.
    pickle.loads(path.read_bytes())
    assert proof.exists()


DOUBLED = b"".join(b"q%ch%c\x86" % (i, i) for i in range(60))
"""60 times a pair of what is on top of the stack: 2^60 values out of 300 bytes."""
HOSTILE = {
    "eval": (pickle.dumps(Runs(eval, "1")), "a call of builtins.eval|a call of __builtin__.eval"),
    "getattr": (pickle.dumps(Runs(getattr, "a", "upper")), "getattr"),
    "numpy function": (pickle.dumps(Runs(np.load, "x")), "a call of numpy"),
    "object array": (pickle.dumps(np.array([None, {}], object), protocol=2), "an array of type 'O8'"),
    "void array": (pickle.dumps(np.zeros(2, "V8"), protocol=2), "an array of type 'V8'"),
    "dotted": (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "a call of numpy.ndarray.tofile"),
    "persistent": (b"\x80\x02U\x04evilQ.", "a persistent id"),
    "size": (
        pickle.dumps(np.zeros(4, np.uint8), protocol=2).replace(b"K\x04\x85", b"K\x09\x85"),
        r"an array of shape \(9,\) and type uint8 with 4 bytes",
    ),
    "truncated": (pickle.dumps({b"data": np.zeros(100, np.uint8)})[:-30], "a broken one"),
    "no pickle": (b"hello", "a broken one"),
    "attribute of a stand-in": (
        b"\x80\x02cnumpy\ndtype\nN}X\x03\x00\x00\x00runK\x01s\x86b.",
        "a state for an object without one",
    ),
    "expansion": (b")" + DOUBLED + b".", "lists that repeat or nest too often|nest too deeply"),
    "key": (b"}K\x01\x85K\x01s.", "a key that is a tuple"),
    "expansion of keys": (b"})" + DOUBLED + b"K\x01s.", "a key that is a tuple"),
    "mark": (b"\x80\x02(.", "a mark where a value belongs"),
    "itself": (b"]q\x00h\x00a.", "lists that nest too deeply"),
    "deep": (b"]" * 5000 + b"a" * 4999 + b".", "lists that nest too deeply"),
    "long shape": (
        pickle.dumps(np.zeros(4, np.uint8), protocol=2).replace(b"K\x04\x85", b"(" + b"K\x01" * 99 + b"t"),
        "an array whose shape is no short tuple",
    ),
    "set": (pickle.dumps({1, 2}, protocol=4), "the operation EMPTY_SET"),
    "state of a stand-in": (b"\x80\x02cnumpy\ndtype\n}U\x03runK\x01sb.", "a broken one"),
    "code": (b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00rott\x52.", "text in the codec 'rot'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_and_broken_pickles(tmp_path, name):
    data, message = HOSTILE[name]
    path = tmp_path / "train"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_pickle(path)


def test_a_memo_of_any_place_costs_nothing(tmp_path):
    path = tmp_path / "train"
    path.write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
    assert read_pickle(path) is None
    with pytest.raises(DataError, match="expected a file that can be read"):
        read_pickle(tmp_path)


def test_a_small_gzip_file_that_announces_much_is_refused(tmp_path):
    bomb = bytes([0, 0, 8, 3]) + np.array([200_000, 28, 28], ">u4").tobytes() + bytes(1000)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bomb))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    with pytest.raises(DataError, match=r"expected at most 100 times its .* bytes of data, found 156800000 announced"):
        gj.tasks.load_mnist(tmp_path)


WRONG_CIFAR = {
    "ragged": ({b"data": cifar_images(2), b"labels": [[0], [1, 2]]}, "integer labels, one per image, found a list of"),
    "list": ([1, 2], "expected a dict with 'data' and 'labels', found a list"),
    "keys": ({b"data": 1}, "expected a dict with 'data' and 'labels', found .*data"),
    "width": (
        {b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 1]},
        r"shape \[N, 3072\], found uint8 of shape \(2, 5\)",
    ),
    "kind": ({b"data": cifar_images(2).astype(np.int32), b"labels": [0, 1]}, "found int32 of shape"),
    "text": ({b"data": b"abc", b"labels": [0, 1]}, "found a bytes"),
    "count": ({b"data": cifar_images(2), b"labels": [0]}, "expected 2 integer labels, one per image"),
    "real": ({b"data": cifar_images(2), b"labels": [0.5, 1.0]}, "expected 2 integer labels.*found float64"),
    "range": ({b"data": cifar_images(2), b"labels": [0, 10]}, "expected labels 0 to 9, found 0 to 10"),
    "none": ({b"data": cifar_images(0), b"labels": np.zeros(0, int)}, "found none"),
}


@pytest.mark.parametrize("name", WRONG_CIFAR)
def test_cifar_files_of_the_wrong_kind(tmp_path, name):
    held, message = WRONG_CIFAR[name]
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(held, protocol=2))
    with pytest.raises(DataError, match=message):
        gj.tasks.load_cifar10(tmp_path)
