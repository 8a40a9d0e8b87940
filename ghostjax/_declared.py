"""The entries of the record (names, dimensions, clashes), found from shapes alone when a simulation is made."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ghostjax._border import shown
from ghostjax._optimizer import for_model
from ghostjax._output import GOAL, Output
from ghostjax._random import Moment
from ghostjax._round import People, Reading, Round
from ghostjax._tree import Ravel
from ghostjax._types import ConfigurationError, require
from ghostjax.metrics import AbstractMetric, Every


BUILT_IN = {
    "present": Output(long_name="weight present", units="identities"),
    "lost": Output(long_name="weight of messages that were not finite", units="identities"),
    "margin": Output(long_name="weight present beyond the need of the guarantee", units="identities", better="higher"),
    "outnumbered": Output(
        long_name="receivers with more Byzantine weight than the rule assumes, or at least half",
        units="receivers",
        better="lower",
    ),
}
"""Entries that every round records about its weights."""
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
    """The attributes of every entry of the record, as plain data."""
    return {name: output.attributes() for name, output in simulation.outputs.items()}


def require_gradients(
    learner: Any, channel: Any, metrics: Sequence[AbstractMetric], detectors: Mapping[str, Any]
) -> None:
    """Refuses a metric or a signal that reads messages as batch gradients where something else arrives."""
    for metric in (*metrics, *(getattr(one, "signal", None) for one in detectors.values())):
        inner = metric.metric if isinstance(metric, Every) else metric
        if not getattr(inner, "of_gradients", False):
            continue
        call, reads = type(inner).__name__, "it reads messages as gradients of one batch"
        require(learner.sends_gradients, call, "learner", type(learner).__name__, f"{reads}; use learners.Gradient()")
        whole = channel is None or not channel.alters
        require(whole, call, "channel", type(channel).__name__, f"{reads}; use a channel that does not change them")


SHOWN = 2
"""Entries that a progress line has room for."""


def directed(record: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The scalars that a progress line shows: the first ones that declare which direction is better."""
    with_direction = [
        name for name, said in outputs.items() if "better" in said and name in record and name not in BUILT_IN
    ]
    return [name for name in with_direction if jnp.ndim(record[name]) == 1][:SHOWN]


def outputs_of(*parts: Any, per_receiver: bool) -> dict[str, Output]:
    """The declaration of every entry of the record; `per_receiver` if an attack sends a vector to each receiver.

    `parts` are task, protocol, metrics, identity, channel, detectors, governance and electorate of a simulation.
    Nothing is computed: they are traced on the shapes of a round, once per structure.

    Errors: a name recorded twice or that no file can hold, arrays that the declared dimensions do not fit, a detector
    that reads what participants do not see, a governance without readings or ballots that it needs, an electorate that
    nobody asks.
    """
    leaves, treedef = jax.tree.flatten(parts)
    shapes = tuple(
        jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if eqx.is_array_like(leaf) and hasattr(leaf, "shape") else leaf
        for leaf in leaves
    )
    try:
        hash((treedef, shapes))
    except TypeError:  # a static field without a hash; it will not compile either
        return _outputs.__wrapped__(treedef, shapes, per_receiver)
    return dict(_outputs(treedef, shapes, per_receiver))


@functools.lru_cache(maxsize=1024)
def _outputs(treedef: Any, shapes: tuple, per_receiver: bool) -> dict[str, Output]:
    arrays = [leaf for leaf in shapes if isinstance(leaf, jax.ShapeDtypeStruct)]
    found = dict(BUILT_IN)

    def trace(arrays: list) -> None:
        given = iter(arrays)
        leaves = [next(given) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf for leaf in shapes]
        parts = jax.tree.unflatten(treedef, leaves)
        task, protocol, metrics, identity, channel, detectors, governance, electorate = parts
        round, n = _any_round(task, protocol, per_receiver), task.num_nodes
        for metric in metrics:
            call = type(metric.metric if isinstance(metric, Every) else metric).__name__
            every = metric.every if isinstance(metric, Every) else 1
            _declare(call, metric(round), declared(metric, task), every, found, n)
        if identity is not None:
            state = identity.remember(identity.init(n), round.blind())
            shape = jnp.shape(identity.weigh(state, round.weights))
            require(shape == (n,), type(identity).__name__, "weigh", f"shape {shape}", f"return a weight each, ({n},)")
        if channel is not None:
            nbr = None if protocol.topology is None else protocol.topology.examples()[0].nbr
            channel.carry(channel.init(round.messages), round.messages, round.weights, nbr, round.key)
        readings = {}
        for name, detector in detectors.items():
            seen = round.blind()
            _, readings[name] = detector.watch(detector.init(seen), seen)
            values = {f"{what}_{name}": value for what, value in readings[name]._asdict().items()}
            known = {
                f"{what}_{name}": _of_reading(what, name, jnp.ndim(value), detector.dims)
                for what, value in readings[name]._asdict().items()
            }
            _declare(type(detector).__name__, values, known, 1, found, n)
        if governance is not None:
            session = governance.blank_session(readings, electorate is not None, n)
            _, verdict, values = governance.decide(governance.init(n), session, n)
            shape, call = jnp.shape(verdict.factor), type(governance).__name__
            require(shape == (n,), call, "factor", f"shape {shape}", f"return a factor for each identity, ({n},)")
            _declare(
                call, {**values, "factor": verdict.factor, **dict.fromkeys(CLOCKS, round.index)},
                {**governance.outputs, "factor": FACTOR, **CLOCKS}, 1, found, n,
            )  # fmt: skip
        _check_electorate(governance, electorate, readings, n)

    jax.eval_shape(trace, arrays)
    return found


def first_readings(task: Any, protocol: Any, detectors: dict[str, Any]) -> dict[str, Any]:
    """The memory of `detectors` before the first round, and readings without evidence."""

    def seen() -> Any:
        return _any_round(task, protocol, False).blind()

    def like(detector: Any) -> Any:
        return jax.eval_shape(lambda: detector.watch(detector.init(seen()), seen())[1])

    def nothing(reading: Any) -> Reading:
        return Reading(
            *(jnp.full(leaf.shape, blank, leaf.dtype) for leaf, blank in zip(reading, (0, False, -1), strict=True))
        )

    memories = {name: detector.init(seen()) for name, detector in detectors.items()}
    return {"detectors": memories, "readings": {name: nothing(like(one)) for name, one in detectors.items()}}


def _check_electorate(governance: Any, electorate: Any, readings: Mapping[str, Reading], n: int) -> None:
    if electorate is None:
        return
    call = type(electorate).__name__
    require(governance is not None, "Simulation", "electorate", call, "nobody counts its ballots; give governance=")
    verdict = governance.blank_verdict(readings, True, n)
    remedy = f"{type(governance).__name__} holds no vote; leave the electorate out"
    require(verdict.motion is not None, "Simulation", "electorate", call, remedy)
    nobody = jnp.zeros(n, bool)
    people = People(nobody, jnp.arange(n, dtype=jnp.int32), jnp.ones(n, jnp.result_type(float)))
    _, ballots = electorate.vote(electorate.init(n), verdict.motion, people, jax.random.key(0))
    found = [jnp.shape(leaf) for leaf in (ballots.yes, ballots.cast, electorate.spoken_for(people))]
    require(set(found) == {(n,)}, call, "vote", f"shapes {found}", f"return a vote each, ({n},)")


CLOCKS = {
    "age": Output(long_name="rounds behind the present model", units="rounds"),
    "restored": Output(long_name="age of the snapshot that was restored, -1 if none was", units="rounds"),
}
"""Entries that a round with governance records about its clocks."""
FACTOR = Output(dims=("node",), long_name="what governance multiplies the weight in the next round with")
"""What a round with governance records of its verdict."""


def _of_reading(what: str, name: str, ndim: int, dims: tuple[str, ...] | None) -> Output:
    words = {"evidence": "evidence", "alarm": "alarm", "since": "estimated round of the change, -1 without evidence"}
    if dims is None or len(dims) != ndim:
        dims = ("node",) if ndim == 1 else tuple(f"{name}_{i}" for i in range(ndim))
    return Output(dims=dims, long_name=f"{words[what]} of {name}")


def _declare(call: str, values: Any, known: dict[str, Output], every: int, found: dict[str, Output], n: int) -> None:
    require(isinstance(values, dict), call, "result", shown(values), "return {name: array}")
    for name, value in values.items():
        found[name] = _entry(call, name, value, known, every, found, n)


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


def _any_round(task: Any, protocol: Any, per_receiver: bool) -> Round:
    """A round of the right shapes."""
    n, key = task.num_nodes, jax.random.key(0)
    ravel = Ravel(jax.eval_shape(task.init, key))
    theta = jnp.zeros(ravel.size, ravel.dtype)
    x, w = jnp.zeros((n, ravel.size), ravel.dtype), jnp.ones(n, ravel.dtype)
    protocol = for_model(protocol.at(Moment(key, jnp.zeros((), jnp.int32))), ravel)
    models = protocol.models(protocol.init(theta, n))

    def respond(messages: Any, by_receiver: Any = None) -> Any:
        # The result depends on both arguments, so that derivatives in them exist.
        other = 0 if by_receiver is None else by_receiver.sum()
        return models + (messages.sum() + other)

    return Round(
        index=jnp.zeros((), jnp.int32),
        key=key,
        task=task,
        ravel=ravel,
        byzantine=jnp.zeros(n, bool),
        owner=jnp.arange(n, dtype=jnp.int32),
        losses=w,
        updates=x,
        messages=x,
        weights=w,
        lost=w,
        models=models,
        result=models,
        next_models=models,
        kappa=jnp.zeros((), ravel.dtype),
        outnumbered=jnp.zeros((), ravel.dtype),
        respond=respond,
        by_receiver=x if per_receiver else None,
        mixing=protocol.mixing(w),
    )
