"""What a simulation records, found from shapes alone when it is made: names, dimensions, clashes."""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ghostjax._border import shown
from ghostjax._optimizer import for_model
from ghostjax._output import GOAL, Output
from ghostjax._round import Round
from ghostjax._tree import Ravel
from ghostjax._types import ConfigurationError, require
from ghostjax.metrics import AbstractMetric, Every
from ghostjax.protocols import AbstractProtocol
from ghostjax.tasks import AbstractTask


BUILT_IN = {
    "present": Output(long_name="weight present", units="identities"),
    "lost": Output(long_name="weight of messages that were not finite", units="identities"),
    "slack": Output(long_name="weight present beyond what the guarantee needs", units="identities", better="higher"),
    "outnumbered": Output(
        long_name="receivers with more Byzantine weight than the rule is set to bear, or no minority of it",
        units="receivers",
        better="lower",
    ),
}
"""What every round records about its weights."""
RESERVED = ("round", "node", "byzantine", "seed", "done", "result", "num_byzantine")
"""Names that datasets of runs and sweeps use themselves."""


def declared(metric: AbstractMetric, task: Any) -> dict[str, Output]:
    """The outputs that `metric` declares; those of the stated goal are declared by the task."""
    if isinstance(metric, Every):
        return {k: dataclasses.replace(v, every=metric.every) for k, v in declared(metric.metric, task).items()}
    found = {}
    for prefix in metric.of_goal:
        for name, output in getattr(task, "outputs", GOAL).items():
            words = f"{prefix.replace('_', ' ')}{output.long_name or name}"
            decides = output.finite and not prefix
            found[f"{prefix}{name}"] = dataclasses.replace(output, long_name=words, finite=decides)
    # A metric may give dimensions alone.
    found |= {name: Output(dims=tuple(dims)) for name, dims in metric.dims.items()}
    return {**found, **metric.outputs}


def attributes_of(simulation: Any) -> dict[str, dict[str, Any]]:
    """What is said of every entry of the record, as plain data."""
    return {name: output.attributes() for name, output in simulation.outputs.items()}


def outputs_of(task: AbstractTask, protocol: AbstractProtocol, metrics: tuple, told: bool) -> dict[str, Output]:
    """The declaration of every entry of the record; `told` where an attack sends a vector to each receiver.

    Nothing is computed: metrics are traced on the shapes of a round, once per structure.

    Errors: a name recorded twice or that no file can hold, arrays that the declared dimensions do not fit.
    """
    leaves, treedef = jax.tree.flatten((task, protocol, metrics))
    shapes = tuple(
        jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if eqx.is_array_like(leaf) and hasattr(leaf, "shape") else leaf
        for leaf in leaves
    )
    try:
        hash((treedef, shapes))
    except TypeError:  # a static field without a hash; it will not compile either
        return _outputs.__wrapped__(treedef, shapes, told)
    return dict(_outputs(treedef, shapes, told))


@functools.lru_cache(maxsize=1024)
def _outputs(treedef: Any, shapes: tuple, told: bool) -> dict[str, Output]:
    arrays = [leaf for leaf in shapes if isinstance(leaf, jax.ShapeDtypeStruct)]
    found = dict(BUILT_IN)

    def trace(arrays: list) -> None:
        given = iter(arrays)
        leaves = [next(given) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf for leaf in shapes]
        task, protocol, metrics = jax.tree.unflatten(treedef, leaves)
        round = _any_round(task, protocol, told)
        for metric in metrics:
            values = metric(round)
            call = type(metric.metric if isinstance(metric, Every) else metric).__name__
            require(isinstance(values, dict), call, "result", shown(values), "return {name: array}")
            known, every = declared(metric, task), metric.every if isinstance(metric, Every) else 1
            for name, value in values.items():
                found[name] = _entry(call, name, value, known, every, found, task.num_nodes)

    jax.eval_shape(trace, arrays)
    return found


def _entry(
    call: str, name: Any, value: Any, known: dict[str, Output], every: int, found: dict[str, Output], n: int
) -> Output:
    require(isinstance(name, str) and name.strip(), call, "name", shown(name), "a name is text")
    require(name not in RESERVED, call, "name", shown(name), "datasets use this name themselves; give another one")
    if name in found:
        raise ConfigurationError(f"Simulation: metrics={[name]}: recorded twice; give one of them another name")
    shape = jnp.shape(value)
    output = known.get(name, Output(dims=tuple(f"{name}_{i}" for i in range(len(shape))), every=every))
    require(
        len(output.dims) == len(shape),
        call,
        "outputs",
        f"dims {output.dims} for {name!r}",
        f"it records arrays of shape {shape}; declare one dimension for each",
    )
    sizes = dict(zip(output.dims, shape, strict=True))
    require(len(sizes) == len(shape) and "round" not in sizes, call, "outputs", f"dims {output.dims}", "differ in name")
    require(sizes.get("node", n) == n, call, "outputs", f"{sizes} for {name!r}", f"there are {n} nodes")
    return output


def _any_round(task: Any, protocol: Any, told: bool) -> Round:
    """A round of the right shapes."""
    n, key = task.num_nodes, jax.random.key(0)
    ravel = Ravel(jax.eval_shape(task.init, key))
    theta = jnp.zeros(ravel.size, ravel.dtype)
    x, w = jnp.zeros((n, ravel.size), ravel.dtype), jnp.ones(n, ravel.dtype)
    models = protocol.models(for_model(protocol, ravel).init(theta, n))

    def respond(messages: Any, by_receiver: Any = None) -> Any:
        # It depends on what it is given, so that it has a derivative.
        other = 0 if by_receiver is None else by_receiver.sum()
        return models + (messages.sum() + other)

    return Round(
        index=jnp.zeros((), jnp.int32),
        key=key,
        task=task,
        ravel=ravel,
        byzantine=jnp.zeros(n, bool),
        losses=w,
        updates=x,
        messages=x,
        weights=w,
        lost=w,
        models=models,
        result=models,
        next_models=models,
        kappa=jnp.zeros((), ravel.dtype),
        respond=respond,
        by_receiver=x if told else None,
        mixing=protocol.mixing(w),
    )
