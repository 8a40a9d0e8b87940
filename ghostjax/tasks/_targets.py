"""Converts examples and targets of a user, and checks that model, targets and criterion fit together.

Labels may be a column, booleans or whole floats. Texts, missing values and pairings that would broadcast are refused.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ghostjax._types import ConfigurationError, require
from ghostjax.tasks.criteria import cross_entropy, squared_error


Criterion = Callable[[Array, Array], Array]
"""`criterion(outputs [b, ...], targets [b, ...]) -> [b]`: the loss of each example."""
NUMBERED = "number the classes from 0: classes, y = np.unique(y, return_inverse=True)"


def stored(call: str, name: str, values: Any) -> Array:
    """`values` as numbers, floats in the default dtype. Errors: texts, objects, masked or ragged arrays."""
    labels = name == "y" or name.endswith("targets")
    remedy = NUMBERED if labels else "give numbers"
    require(not np.ma.is_masked(values), call, name, "masked values", "drop those examples, or fill them")
    try:
        array = values if isinstance(values, jax.Array) else np.asarray(values)
    except ValueError as error:
        raise ConfigurationError(f"{call}: {name}=rows of unlike lengths: give one array") from error
    numeric = array.dtype.kind in "biuf" or jnp.issubdtype(array.dtype, jnp.floating)
    require(numeric, call, name, f"values of dtype {array.dtype}", remedy)
    if array.dtype == bool:
        return jnp.asarray(array, jnp.int32 if labels else jnp.result_type(float))
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        fits = array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31)
        require(fits, call, name, "numbers beyond 32 bits", remedy)
        return jnp.asarray(array, jnp.int32)
    return jnp.asarray(array, jnp.result_type(float)) if array.dtype in (np.float32, np.float64) else jnp.asarray(array)


def check_finite(call: str, name: str, values: Array) -> None:
    """Refuses nan and inf."""
    if jnp.issubdtype(values.dtype, jnp.floating):
        bad = int((~np.isfinite(np.asarray(values)).reshape(len(values), -1).all(1)).sum())
        remedy = "drop or fill them; the goal would be nan"
        if name == "y" or name.endswith("targets"):
            remedy = f"drop those examples; for labels, {NUMBERED}"
        require(bad == 0, call, name, f"{bad} rows with nan or inf", remedy)


def outputs_of(call: str, model: Any, x: Array) -> Any:
    """The shapes and dtypes of the outputs of `model` for two of the examples `x`."""
    like = jax.ShapeDtypeStruct((2, *x.shape[1:]), jnp.result_type(float) if x.dtype == jnp.uint8 else x.dtype)
    try:
        return jax.eval_shape(lambda key, x: model.apply(model.init(key), x, None), jax.random.key(0), like)
    except ConfigurationError:
        raise
    except Exception as error:  # every library of models has its own errors
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise ConfigurationError(
            f"{call}: model={type(model).__name__}: cannot take examples of shape {x.shape[1:]} ({why}); give it that "
            "input, or the examples that shape"
        ) from error


def counts_hits(outputs: Any, y: Array) -> bool:
    """Whether `outputs [b, ..., c]` are scores of the classes that integers `y [b, ...]` number."""
    shape = getattr(outputs, "shape", ())
    return jnp.issubdtype(y.dtype, jnp.integer) and len(shape) > 1 and shape[-1] > 1 and shape[1:-1] == y.shape[1:]


def paired(call: str, name: str, y: Array, outputs: Any, criterion: Criterion) -> Array:
    """`y` in the form that `criterion` compares with `outputs`, one to one. Errors: any other pairing."""
    if criterion not in (cross_entropy, squared_error) and not jnp.issubdtype(y.dtype, jnp.integer):
        return y
    shape = getattr(outputs, "shape", None)
    if not shape:
        raise ConfigurationError(f"{call}: model=outputs that are no array [b, ...]: return one array")
    column = y.ndim > 1 and y.shape[1:] == (*shape[1:-1], 1)
    if criterion is squared_error:
        same = [size for size in y.shape[1:] if size > 1] == [size for size in shape[1:] if size > 1]
        require(same, call, name, f"targets of shape {y.shape[1:]}", f"the model has outputs of shape {shape[1:]}")
        return y.reshape(len(y), *shape[1:])
    if column and (criterion is cross_entropy or shape != y.shape):
        y = y[..., 0]
    if criterion is not cross_entropy:
        return y
    require(len(shape) > 1, call, "model", f"outputs of shape {shape[1:]}", "cross entropy needs a score per class")
    fits = y.shape[1:] == shape[1:-1]
    require(fits, call, name, f"targets of shape {y.shape[1:]}", f"give one class for each of the scores {shape[1:]}")
    if jnp.issubdtype(y.dtype, jnp.floating):
        require((y == jnp.round(y)).all(), call, name, "labels that are no whole numbers", NUMBERED)
        y = y.astype(jnp.int32)
    low, top = int(y.min()), int(y.max())
    require(
        low >= 0 and top < shape[-1],
        call,
        name,
        f"labels {low} to {top}",
        f"the model has {shape[-1]} outputs; number classes from 0, and give the model one output for each",
    )
    return y


def check_criterion(call: str, parameter: str, criterion: Criterion, outputs: Any, y: Array) -> None:
    """Whether `criterion` returns one number per example that depends on that example alone."""
    if criterion in (cross_entropy, squared_error):
        return
    name = getattr(criterion, "__name__", type(criterion).__name__)
    require(callable(criterion), call, parameter, name, "give a function (outputs [b, ...], targets [b, ...]) -> [b]")
    rows = np.array([0, int(np.argmax((np.asarray(y) != np.asarray(y[:1])).reshape(len(y), -1).any(1)))])

    def batch(tree: Any, size: int) -> Any:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), tree)

    for size in (2, 3):
        try:
            paid = jax.eval_shape(criterion, batch(outputs, size), batch(y, size))
        except Exception as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
            shapes = jax.tree.map(lambda leaf: leaf.shape[1:], outputs), y.shape[1:]
            raise ConfigurationError(
                f"{call}: {parameter}={name}: cannot compare outputs of shape {shapes[0]} with targets of shape "
                f"{shapes[1]} ({why}); give both the shape that it expects"
            ) from error
        shape = getattr(paid, "shape", None)
        remedy = "return one loss per example, [b]: no mean over the batch, and one over positions"
        require(shape == (size,), call, parameter, name, f"it returns shape {shape} for {size} examples; {remedy}")
        require(jnp.issubdtype(paid.dtype, jnp.floating), call, parameter, name, f"it returns {paid.dtype}; {remedy}")
    rng = np.random.default_rng(0)
    drawn = jax.tree.map(lambda leaf: jnp.asarray(rng.random((2, *leaf.shape[1:])), leaf.dtype), outputs)
    both, alone = jax.jit(
        lambda outputs, y: (criterion(outputs, y)[:1], criterion(jax.tree.map(lambda leaf: leaf[:1], outputs), y[:1]))
    )(drawn, y[rows])
    require(
        np.allclose(both, alone, rtol=1e-2, atol=1e-6, equal_nan=True),
        call,
        parameter,
        name,
        "the loss of an example depends on the others of the batch; compare each output with its own target",
    )
