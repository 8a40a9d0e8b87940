"""Pickles of any bytes: the true content or a refusal, in time and memory that the size of the file bounds."""

import pickle
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import strategies as st

from ghostjax.tasks import DataError
from ghostjax.tasks._pickle import read_pickle

from .fuzzing import examples


TRUE = {b"data": np.arange(12, dtype=np.uint8).reshape(3, 4), b"labels": [1, 2, 3], b"names": ["a", "b"]}
WRITTEN = [pickle.dumps(TRUE, protocol=protocol) for protocol in (0, 2, 3, 4, 5)]
# Opcodes that build, repeat, memoise and call, with arguments that are small.
PIECES = [
    *(bytes([code]) for code in b"()]}aesutld012N.\x85\x86\x87\x88\x8f\x90\x93\x94Rb"),
    *(b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"K\x07", b"r\xff\xff\xff\x7f", b"U\x01x", b"X\x02\x00\x00\x00ab"),
    *(b"\x8c\x05numpy", b"\x8c\x05dtype", b"\x8c\x02u1", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n"),
    *(b"c_codecs\nencode\n", b"B\xff\xff\xff\xff", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"),
]


def read(path, data):
    """What is read, or None where it is refused; never anything else, and never slowly or at any size."""
    path.write_bytes(data)
    start = time.process_time()
    tracemalloc.start()
    try:
        return read_pickle(path)
    except DataError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.process_time() - start < 2 and peak < 2**18 + LARGEST * len(data)


PAIRS = [b"]q\x00", *[b"h\x00h\x00\x86q\x00"] * 20]
"""A pair of the pair before, twenty times: a million lists."""
TEXTS = [b"X\xa0\x86\x01\x00" + b"a" * 100_000 + b"q\x00", *[b"c_codecs\nencode\nh\x00\x85R"] * 3000]
"""One text as bytes, three thousand times."""
LARGEST = 500
"""Bytes of memory for each of the file: an operation of one byte may stand for four values that are copied."""


@examples(
    150,
    explicit=[{"pieces": pieces, "repeats": 1} for pieces in (PAIRS, TEXTS)],
    pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=120),
    repeats=st.integers(1, 40),
)
def test_random_programs_end(tmp_path, pieces, repeats):
    read(tmp_path / "a", b"".join(pieces) * repeats + b".")


@examples(
    150,
    written=st.sampled_from(WRITTEN),
    at=st.floats(0, 1, exclude_max=True),
    bits=st.integers(1, 255),
    cut=st.floats(0, 1),
    how=st.sampled_from(["flip", "cut", "repeat", "insert"]),
)
def test_damaged_pickles_are_read_or_refused(tmp_path, written, at, bits, cut, how):
    place, end = int(at * len(written)), int(cut * len(written))
    damaged = {
        "flip": written[:place] + bytes([written[place] ^ bits]) + written[place + 1 :],
        "cut": written[:end],
        "repeat": written[:place] + written[min(place, end) : max(place, end)] * 20 + written[place:],
        "insert": written[:place] + PIECES[bits % len(PIECES)] + written[place:],
    }[how]
    read(tmp_path / "a", damaged)


@pytest.mark.parametrize("written", WRITTEN)
def test_true_pickles_are_read(tmp_path, written):
    found = read(tmp_path / "a", written)
    assert found is not None
    assert found.keys() == TRUE.keys() and found[b"labels"] == [1, 2, 3] and found[b"names"] == ["a", "b"]
    np.testing.assert_array_equal(found[b"data"], TRUE[b"data"])
