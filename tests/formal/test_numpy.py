"""A jaxpr evaluated by NumPy gives what XLA gives, on the operations that state machines are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax.formal._numpy import evaluate, known, Unknown


def program(x, i, j, m):
    return {
        "read": x[i], "read_before": jnp.maximum(x[i - 1], 0), "cell": m[i, j], "row": m[i], "column": m[:, j],
        "set": x.at[j].set(7), "add": x.at[j].add(i), "set_row": m.at[i, :].set(x[:3]), "set_cell": m.at[i, j].set(3),
        "beyond": x[i + 3], "drop": x.at[i + 3].set(9), "sort": jnp.sort(x), "order": jnp.argsort(x),
        "take": jnp.take(x, jnp.argsort(x)), "sum": jnp.where(x > 2, x, 0).sum(),
        "any": (x > 1).any() & (x < 5).all(),
        "cumsum": jnp.cumsum(x), "argmax": jnp.argmax(x), "divide": (x - 3) // 2, "modulo": (x - 3) % 3,
        "count": jnp.count_nonzero(x), "clip": jnp.clip(x, 0, 2), "dot": jnp.dot(x, x),
        "stack": jnp.stack([x, x]).sum(0),
        "shift": (x << 2) >> 1, "equal": jnp.array_equal(x, x[::-1]), "flip": jnp.flip(m), "t": m.T,
        "prod": x[:3].prod(),
    }  # fmt: skip


def arguments(batch=40):
    rng = np.random.default_rng(0)
    draw = lambda high, *shape: rng.integers(0, high, (batch, *shape)).astype(np.int32)
    return draw(6, 5), draw(4)[:7], draw(3), draw(6, 4, 3)


def test_every_operation_equals_xla():
    batched = jax.vmap(jax.vmap(program, (None, 0, None, None)), (0, None, 0, 0))
    args = arguments()
    closed = jax.make_jaxpr(batched)(*args)
    assert known(closed.jaxpr)
    expected = batched(*args)
    names = list(expected)
    for name, ours in zip(sorted(names), evaluate(closed, *args), strict=True):
        theirs = np.asarray(expected[name])
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_an_unknown_operation_is_said_before_anything_is_computed():
    closed = jax.make_jaxpr(lambda x: jnp.sin(x))(np.ones(3, np.float32))
    assert not known(closed.jaxpr)
    with pytest.raises(Unknown, match="sin"):
        evaluate(closed, np.ones(3, np.float32))
