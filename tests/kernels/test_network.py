"""The sorting network sorts: by the zero-one principle, and with the number of comparisons that is known for it."""

import itertools

import jax
import numpy as np
import pytest

from ghostjax._kernels.network import network


def sort(rows):
    """The rows in order per column, and how many comparisons that took."""
    count = 0

    def exchange(a, b):
        nonlocal count
        count += 1
        return np.minimum(a, b), np.maximum(a, b)

    with jax.disable_jit():
        return np.stack(network(exchange, list(rows))), count


@pytest.mark.parametrize("n", range(1, 15))
def test_every_column_of_zeros_and_ones_is_sorted(n):
    # A network of comparisons that sorts these sorts everything.
    columns = np.array(list(itertools.product([0, 1], repeat=n)), np.int8).T
    np.testing.assert_array_equal(sort(columns)[0], np.sort(columns, 0))


@pytest.mark.parametrize("n", [31, 32, 33, 63, 64, 65, 100, 127, 128])
def test_columns_of_many_rows_are_sorted(n):
    draw = np.random.default_rng(n)
    columns = draw.random((n, 2000)) < draw.random(2000)
    np.testing.assert_array_equal(sort(columns)[0], np.sort(columns, 0))


@pytest.mark.parametrize("n,comparisons", [(1, 0), (2, 1), (4, 5), (8, 19), (9, 26), (17, 74), (64, 543), (65, 565)])
def test_number_of_comparisons(n, comparisons):
    assert sort(np.zeros((n, 1)))[1] == comparisons
