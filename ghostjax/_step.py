"""One round: the stages in their order.

    weigh      who counts, from what was known before this round
    learn      each node: model, local data, local objective -> update
    send       the protocol turns updates into messages
    corrupt    the adversary rewrites the rows that it controls
    carry      the channel carries everybody's rows
    receive    one receiver or one per node: aggregate, outer optimizer, next models
    observe    pure functions of the round -> record
    watch      sequential tests on what participants may see -> readings
    vote       the electorate says yes or no to the motion on the table -> ballots
    decide     readings and ballots -> a verdict
    remember   identities and snapshots learn from the round, and the verdict is applied

Every line of `arrive` and `step` is one stage. A stage that is absent traces nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ghostjax._kernels import present
from ghostjax._optimizer import for_model
from ghostjax._random import Moment, per_node
from ghostjax._round import audited, Ballots, Before, People, Received, Round, Sent, Session, State, View
from ghostjax._tree import replaced, select, select_rows
from ghostjax._types import Key
from ghostjax.channels import Carried
from ghostjax.learners import local_gradients


if TYPE_CHECKING:
    from ghostjax._simulation import Simulation


Record = dict[str, Array]
"""The record of one round: `present`, `lost`, `margin`, `outnumbered`, and the entries of metrics and stages."""


class Learned(NamedTuple):
    """The result of local learning: next memory, models before the step `[d]` or `[n, d]`, updates, local losses.

    `objective(models, draw)` are losses and gradients on the draw-th batch of this round.
    """

    memory: PyTree
    models: Float[Array, "*n d"]
    updates: Float[Array, "n d"]
    losses: Float[Array, " n"]
    objective: Callable[..., tuple[Array, Array]]


class Arrival(NamedTuple):
    """The first half of a round, up to its receivers: the round's simulation, who learned and sent what, what arrived.

    `receive(received)` are the next memory of the protocol and its result.
    """

    sim: "Simulation"
    learned: Learned
    attack: PyTree
    sent: Sent
    channel: PyTree
    received: Received
    receive: Callable[[Received], tuple[PyTree, Array]]


def step(simulation: "Simulation", state: State, presence: Float[Array, " n"], key: Key) -> tuple[State, Record]:
    """One round under participation weights `presence`; `key` is the root key of the run."""
    at = Moment(key, state.round)
    sim, learned, attack, sent, channel, received, receive = arrive(simulation, state, presence, at)
    protocol, result = receive(received)
    learner, protocol = held(state, (learned.memory, protocol))
    round, record = observe(sim, learned, received, result, sim.protocol.models(protocol), receive, at)
    detectors, readings, watched = watch(sim, state, round)
    electorate, ballots = vote(sim, state, sent, at)
    governance, verdict, decided = decide(sim, state, readings, ballots, at)
    after = State(
        round=state.round + 1,
        learner=learner,
        attack=attack,
        protocol=protocol,
        channel=channel,
        detectors=detectors,
        readings=readings,
        electorate=electorate,
        governance=governance,
        verdict=verdict,
    )
    after, remembered = remember(sim, state, after, round)
    return after, record | watched | decided | remembered


def arrive(simulation: "Simulation", state: State, presence: Float[Array, " n"], at: Moment) -> Arrival:
    """The stages before the receivers; a ledger plays them again without the others."""
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
    return Arrival(sim, learned, attack, sent, channel, received, receive)


def this_round(simulation: "Simulation", at: Moment) -> "Simulation":
    """The simulation as it is in this round: its graph, who is Byzantine, optimizers that know the model."""
    protocol, learner = for_model((simulation.protocol.at(at), simulation.learner), simulation.ravel)
    attack, byzantine = simulation.attack.on(simulation.task).roles(simulation.byzantine, at)
    return replaced(simulation, protocol=protocol, learner=learner, attack=attack, byzantine=byzantine)


def weigh(sim: "Simulation", state: State, presence: Float[Array, " n"]) -> Float[Array, " n"]:
    """Who counts in this round, and how much: presence, by identity, by the verdict in force."""
    w = entitled(sim, state, presence.astype(sim.ravel.dtype))
    # Where nodes hear each other, a pause lets them go on talking: it is the next state that does not count.
    return jnp.where(state.verdict.pause, 0, w) if pauses(state) and sim.protocol.topology is None else w


def entitled(sim: "Simulation", state: State, w: Float[Array, " n"]) -> Float[Array, " n"]:
    """What presence `w` counts for by identity and by the factors of the verdict in force."""
    if sim.identity is not None:
        w = sim.identity.weigh(state.identity, w)
    return w if sim.governance is None else w * state.verdict.factor.astype(w.dtype)


def pauses(state: State) -> bool:
    """Whether the training is governed by somebody who may pause it."""
    return state.verdict != () and state.verdict.pause is not None


def held(state: State, parts: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
    """What becomes of learner and protocol: in a round that is paused they stay what they were."""
    return select(state.verdict.pause, (state.learner, state.protocol), parts) if pauses(state) else parts


def learn(sim: "Simulation", state: State, at: Moment) -> Learned:
    """Every node learns from its data. The adversary may have rewritten the data of its nodes."""
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
    """The rows that are sent: the adversary's for its identities, the protocol's messages for all others."""
    seen, weights, _ = present(messages, w)
    held = sim.byzantine

    def objective(models: Array) -> tuple[Array, Array]:
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
        objective=objective,
        readings=state.readings or {},
        audit=lambda theta: audited(sim.task, sim.ravel.unravel(theta)),
        verdict=state.verdict or None,
    )
    memory, sent = sim.attack.corrupt(state.attack, view)
    return memory, sent._replace(by_sender=jnp.where(held[:, None], sent.by_sender, messages))


def carry(
    sim: "Simulation", state: State, sent: Sent, messages: Array, w: Array, at: Moment
) -> tuple[PyTree, Received]:
    """The messages that arrive. Here, and only here, a row that is not finite becomes absent."""
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
    """The round as metrics see it, and the record of metrics and of the rule's guarantee."""
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
    by_receiver = received.by_receiver
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
        respond=lambda x, by_receiver=by_receiver: receive(received._replace(x=x, by_receiver=by_receiver))[1],
        by_receiver=by_receiver,
        mixing=sim.protocol.mixing(received.weights),
    )


def watch(sim: "Simulation", state: State, round: Round) -> tuple[PyTree, PyTree, Record]:
    """The readings of detectors, from the round as participants see it."""
    if not sim.detectors:
        return (), (), {}
    seen = round._replace(age=None if sim.governance is None else state.age).blind()
    found = {name: detector.watch(state.detectors[name], seen) for name, detector in sim.detectors.items()}
    record = {
        f"{what}_{name}": value for name, (_, reading) in found.items() for what, value in reading._asdict().items()
    }
    return (
        {name: memory for name, (memory, _) in found.items()},
        {name: said for name, (_, said) in found.items()},
        record,
    )


def vote(sim: "Simulation", state: State, sent: Sent, at: Moment) -> tuple[PyTree, Ballots | None]:
    """What members say of the motion on the table; the adversary speaks for those that it captured."""
    if sim.electorate is None:
        return (), None
    people = People(sim.byzantine, sim.principals, power(sim, state))
    memory, ballots = sim.electorate.vote(state.electorate, state.verdict.motion, people, at("electorate"))
    if sent.ballots is None:
        return memory, ballots
    held, said = sim.electorate.spoken_for(people), sent.ballots
    yes, cast = jnp.where(held, said.yes, ballots.yes), jnp.where(held, said.cast, ballots.cast)
    against = None if said.against is None else said.against & (held & (people.power > 0)).any()
    return memory, Ballots(yes, cast & state.verdict.motion.votes, against)


def power(sim: "Simulation", state: State) -> Float[Array, " n"]:
    """What each member counts for when all are present; it is counted, and no derivative goes through it."""
    everybody = jnp.ones(sim.num_nodes, jnp.result_type(float))
    return jax.lax.stop_gradient(entitled(sim, state, everybody))


def decide(
    sim: "Simulation", state: State, readings: PyTree, ballots: Ballots | None, at: Moment
) -> tuple[PyTree, Any, Record]:
    """The verdict for the next rounds."""
    if sim.governance is None:
        return (), (), {}
    age = _age_after(state)
    session = Session(readings or {}, at.round, age, at("governance"), power(sim, state), state.snapshots.ages, ballots)
    memory, verdict, record = sim.governance.decide(state.governance, session, sim.num_nodes)
    return memory, verdict._replace(factor=verdict.factor.astype(sim.ravel.dtype)), record


def remember(sim: "Simulation", before: State, after: State, round: Round) -> tuple[State, Record]:
    """The state of the next round: identities have learned, the verdict is applied, snapshots are kept."""
    if sim.identity is not None:
        after = after._replace(identity=sim.identity.remember(before.identity, round.blind()))
    if sim.governance is None:
        return after, {}
    ring, verdict = sim.governance.snapshots, after.verdict
    then, parts = (before.learner, before.protocol), (after.learner, after.protocol)
    age, back = _age_after(before), jnp.asarray(verdict.back, jnp.int32)
    # Kept is what came into the round. A compiler may compute what leaves it twice, with two roundings.
    snapshots = ring.keep(before.snapshots, before.age, then, verdict.freeze)
    snapshots, age, (learner, protocol), restored = ring.restore(snapshots, back, age, parts)
    if verdict.renew is not None and sim.detectors:
        fresh, watched = sim.first_readings(), (after.detectors, after.readings)
        after = after._replace(**select(verdict.renew, fresh, dict(zip(fresh, watched, strict=True))))
    verdict = verdict._replace(back=jnp.asarray(-1, jnp.int32))
    after = after._replace(learner=learner, protocol=protocol, verdict=verdict, snapshots=snapshots, age=age)
    return after, {"factor": verdict.factor, "age": age, "restored": jnp.where(restored, age, -1)}


def _age_after(before: State) -> Array:
    """The rounds behind the model that comes out of a round: a round in which the training was paused is none."""
    return before.age + jnp.where(before.verdict.pause, 0, 1) if pauses(before) else before.age + 1
