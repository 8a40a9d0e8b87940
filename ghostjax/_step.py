"""One round: the stages in their order.

    weigh      who counts, from what was known before this round
    learn      each node: model, local data, local objective -> update
    send       the protocol turns updates into messages
    corrupt    the adversary rewrites the rows that it controls
    carry      the channel carries everybody's rows
    receive    one receiver or one per node: aggregate, outer optimizer, next models
    observe    pure functions of the round -> record
    watch      sequential tests on what participants may see -> readings
    decide     readings -> a verdict
    remember   identities and snapshots learn from the round, and the verdict is applied

Every line of `step` is one stage. A stage that is absent traces nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TYPE_CHECKING

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import present
from ghostjax._optimizer import for_model
from ghostjax._random import Moment, per_node
from ghostjax._round import Before, Received, Round, Sent, Session, State, Verdict, View
from ghostjax._tree import replaced, select_rows
from ghostjax._types import Key
from ghostjax.channels import Carried
from ghostjax.learners import local_gradients


if TYPE_CHECKING:
    from ghostjax._simulation import Simulation


Record = dict[str, Array]
"""What one round leaves behind: `present`, `lost`, `margin` and `outnumbered`, and what metrics and stages returned."""


class Learned(NamedTuple):
    """What nodes made of their data: their next memory, where they were `[d]` or `[n, d]`, updates, local losses.

    `objective(models, draw)` are losses and gradients on the draw-th batch of this round.
    """

    memory: PyTree
    models: Float[Array, "*n d"]
    updates: Float[Array, "n d"]
    losses: Float[Array, " n"]
    objective: Callable[..., tuple[Array, Array]]


def step(simulation: "Simulation", state: State, presence: Float[Array, " n"], key: Key) -> tuple[State, Record]:
    """One round under participation weights `presence`; `key` is the root key of the run."""
    at = Moment(key, state.round)
    sim = this_round(simulation, at)
    w = weigh(sim, state, presence)
    learned = learn(sim, state, at)
    pending, messages = sim.protocol.send(state.protocol, learned.updates)

    def receive(received: Received) -> tuple[PyTree, Array]:
        return sim.protocol.receive(pending, received, at("rule"))

    def respond(x: Array) -> Array:
        return receive(carry(sim, state, Sent(x), messages, w, at)[1])[1]

    attack, sent = corrupt(sim, state, learned, messages, w, respond, at)
    channel, received = carry(sim, state, sent, messages, w, at)
    protocol, result = receive(received)
    round, record = observe(sim, learned, received, result, sim.protocol.models(protocol), receive, at)
    detectors, readings, watched = watch(sim, state, round)
    governance, verdict, decided = decide(sim, state, readings, at)
    after = State(
        round=state.round + 1,
        learner=learned.memory,
        attack=attack,
        protocol=protocol,
        channel=channel,
        detectors=detectors,
        readings=readings,
        governance=governance,
        verdict=verdict,
    )
    after, remembered = remember(sim, state, after, round)
    return after, record | watched | decided | remembered


def this_round(simulation: "Simulation", at: Moment) -> "Simulation":
    """The simulation as it is in this round: its graph, who is Byzantine, optimizers that know the model."""
    protocol, learner = for_model((simulation.protocol.at(at), simulation.learner), simulation.ravel)
    attack, byzantine = simulation.attack.on(simulation.task).roles(simulation.byzantine, at)
    return replaced(simulation, protocol=protocol, learner=learner, attack=attack, byzantine=byzantine)


def weigh(sim: "Simulation", state: State, presence: Float[Array, " n"]) -> Float[Array, " n"]:
    """Who counts in this round, and how much: presence, by identity, by the verdict in force."""
    w = presence.astype(sim.ravel.dtype)
    if sim.identity is not None:
        w = sim.identity.weigh(state.identity, w)
    return w if sim.governance is None else w * state.verdict.factor.astype(w.dtype)


def learn(sim: "Simulation", state: State, at: Moment) -> Learned:
    """What nodes learn from their data, which the adversary may have rewritten where it holds the node."""
    start, ravel = sim.protocol.models(state.protocol), sim.ravel

    def objective(models: Array, draw: Any) -> tuple[Array, Array]:
        batch = sim.task.sample(at("batch", draw))
        before = Before(at.round, start, sim.byzantine, state.readings or {}, at("poison", draw))
        batch = select_rows(sim.byzantine, sim.attack.poison(state.attack, batch, before), batch)
        return local_gradients(sim.task, ravel, models, batch, per_node(at("node", draw), sim.num_nodes))

    memory, updates, losses = sim.learner.learn(state.learner, start, objective)
    return Learned(memory, start, updates, losses, objective)


def corrupt(
    sim: "Simulation", state: State, learned: Learned, messages: Array, w: Array, respond: Any, at: Moment
) -> tuple[PyTree, Sent]:
    """What leaves: the adversary's rows for its identities, the messages of all others."""
    seen, weights, _ = present(messages, w)
    held = sim.byzantine

    def own(models: Array) -> tuple[Array, Array]:
        losses, gradients = learned.objective(models, 0)
        return jnp.where(held, losses, 0), jnp.where(held[:, None], gradients, 0)

    view = View(
        messages=seen,
        weights=weights,
        byzantine=held,
        models=learned.models,
        respond=lambda x: respond(jnp.where(held[:, None], x, messages)),
        key=at("attack"),
        round=at.round,
        mixing=sim.protocol.mixing(weights),
        objective=own,
        readings=state.readings or {},
    )
    memory, sent = sim.attack.corrupt(state.attack, view)
    return memory, sent._replace(by_sender=jnp.where(held[:, None], sent.by_sender, messages))


def carry(
    sim: "Simulation", state: State, sent: Sent, messages: Array, w: Array, at: Moment
) -> tuple[PyTree, Received]:
    """What arrives of what was sent, with finite rows: here, once, is a row that is not finite absent."""
    channel, carried, altered = (), Carried(sent.by_sender, w), False
    if sim.channel is not None:
        graph: Any = sim.protocol.topology
        nbr = None if graph is None else graph.nbr
        channel, carried = sim.channel.carry(state.channel, sent.by_sender, w, nbr, at("channel"))
        altered = sim.channel.alters
    x, weights, lost = present(carried.x, carried.w)
    return channel, Received(
        x=x,
        weights=weights,
        lost=lost,
        deviates=sim.byzantine & (sent.by_sender != messages).any(1),
        edges=carried.edges,
        by_receiver=sent.by_receiver,
        senders=sim.byzantine if sent.senders is None else sim.byzantine & sent.senders,
        altered=altered,
    )


def observe(
    sim: "Simulation", learned: Learned, received: Received, result: Array, models: Array, receive: Any, at: Moment
) -> tuple[Round, Record]:
    """The round as metrics see it, and what they and the guarantee of the rule say of it."""
    weights = received.weights
    margins = sim.protocol.guarantee(weights, received.edges, sim.byzantine)
    round = _round(sim, learned, received, result, models, margins, receive, at)
    record = {"present": weights.sum(), "lost": received.lost.sum()}
    record |= {"margin": margins.margin, "outnumbered": margins.outnumbered}
    for metric in sim.metrics:
        record |= metric(round)
    return round, record


def _round(
    sim: "Simulation", learned: Learned, received: Received, result: Array, models: Array, margins: Any,
    receive: Callable[[Received], Any], at: Moment,
) -> Round:  # fmt: skip
    told = received.by_receiver
    return Round(
        index=at.round,
        key=at("metrics"),
        task=sim.task,
        ravel=sim.ravel,
        byzantine=sim.byzantine,
        owner=sim.principals,
        losses=learned.losses,
        updates=learned.updates,
        messages=received.x,
        weights=received.weights,
        lost=received.lost,
        models=learned.models,
        result=result,
        next_models=models,
        kappa=margins.kappa,
        outnumbered=margins.outnumbered,
        respond=lambda x, told=told: receive(received._replace(x=x, by_receiver=told))[1],
        by_receiver=told,
        mixing=sim.protocol.mixing(received.weights),
    )


def watch(sim: "Simulation", state: State, round: Round) -> tuple[PyTree, PyTree, Record]:
    """What detectors say of the round as participants see it."""
    if not sim.detectors:
        return (), (), {}
    seen = round.blind()
    found = {name: detector.watch(state.detectors[name], seen) for name, detector in sim.detectors.items()}
    record = {
        f"{what}_{name}": value for name, (_, reading) in found.items() for what, value in reading._asdict().items()
    }
    return (
        {name: memory for name, (memory, _) in found.items()},
        {name: said for name, (_, said) in found.items()},
        record,
    )


def decide(sim: "Simulation", state: State, readings: PyTree, at: Moment) -> tuple[PyTree, Any, Record]:
    """The verdict for the next rounds."""
    if sim.governance is None:
        return (), (), {}
    session = Session(readings or {}, at.round, state.age + 1, at("governance"))
    memory, verdict, record = sim.governance.decide(state.governance, session, sim.num_nodes)
    return memory, verdict._replace(factor=verdict.factor.astype(sim.ravel.dtype)), record


def remember(sim: "Simulation", before: State, after: State, round: Round) -> tuple[State, Record]:
    """The state of the next round: identities have learned, the verdict is applied, snapshots are kept."""
    if sim.identity is not None:
        after = after._replace(identity=sim.identity.remember(before.identity, round.blind()))
    if sim.governance is None:
        return after, {}
    ring, verdict, parts = sim.governance.snapshots, after.verdict, (after.learner, after.protocol)
    age, back = before.age + 1, jnp.asarray(after.verdict.back, jnp.int32)
    # Kept is what came into the round. A compiler may compute what leaves it twice, with two roundings.
    snapshots = ring.keep(before.snapshots, before.age, (before.learner, before.protocol))
    snapshots, age, (learner, protocol), restored = ring.restore(snapshots, back, age, parts)
    verdict = Verdict(verdict.factor, jnp.asarray(-1, jnp.int32))
    after = after._replace(learner=learner, protocol=protocol, verdict=verdict, snapshots=snapshots, age=age)
    return after, {"factor": verdict.factor, "age": age, "restored": jnp.where(restored, age, -1)}
