"""A stage that is absent costs nothing: neither an instruction of the compiled training nor a leaf of its state."""

import re

import jax
import jax.numpy as jnp
import pytest

import ghostjax as gj
from ghostjax import _step
from ghostjax._kernels import present
from ghostjax._round import Received


pytestmark = pytest.mark.structure
N = 6
PROTOCOLS = {
    "server": gj.protocols.Server(gj.aggregators.Mean()),
    "gossip": gj.protocols.Gossip(gj.aggregators.TrimmedMean(f=1), gj.topologies.ring(N, degree=4)),
}


def carried(sim, state, sent, messages, w, at):
    x, weights, lost = present(sent.by_sender, w)
    deviates = sim.byzantine & (sent.by_sender != messages).any(1)
    return (), Received(x=x, weights=weights, lost=lost, deviates=deviates, senders=sim.byzantine)


WITHOUT = {
    "weigh": lambda sim, state, presence: presence.astype(sim.ravel.dtype),
    "carry": carried,
    "watch": lambda sim, state, round: ((), (), {}),
    "held": lambda state, parts: parts,
    "vote": lambda sim, state, sent, at: ((), None),
    "decide": lambda sim, state, readings, ballots, at: ((), (), {}),
    "remember": lambda sim, before, after, round: (after, {}),
}
"""What each line of a round comes to where its stage is taken out."""


def simulation(protocol, **parts):
    task = gj.tasks.quadratic(N, 3, noise=0.1)
    return gj.Simulation(task, PROTOCOLS[protocol], attack=gj.attacks.SignFlip(), byzantine=1, **parts)


def program(sim):
    """The optimised program of a training: instructions without metadata, numbered as they come."""
    arguments = sim, jax.random.key(0), jnp.ones((3, N))
    # A function of its own each time: a trace that is kept would be the one before the change.
    text = jax.jit(lambda *given: gj.rollout(*given)).lower(*arguments).compile().as_text()
    text = re.sub(r", metadata=\{[^}]*\}", "", text)
    lines = [line for line in text.splitlines() if "%" in line]
    names: dict[str, str] = {}
    return [re.sub(r"%[\w.\-]+", lambda m: names.setdefault(m[0], f"%{len(names)}"), line) for line in lines]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_program_is_that_of_a_round_without_the_stage(protocol, monkeypatch):
    whole = program(simulation(protocol))
    assert len(whole) > 50
    for stage, nothing in WITHOUT.items():
        with monkeypatch.context() as patch:
            patch.setattr(_step, stage, nothing)
            assert program(simulation(protocol)) == whole, stage
    for stage, nothing in WITHOUT.items():
        monkeypatch.setattr(_step, stage, nothing)
    assert program(simulation(protocol)) == whole


def test_an_instruction_more_is_seen(monkeypatch):
    whole = program(simulation("server"))
    monkeypatch.setattr(_step, "weigh", lambda sim, state, presence: jnp.tanh(presence))
    assert program(simulation("server")) != whole


def leaves(sim):
    """Paths of everything that a training carries from round to round."""
    state = jax.eval_shape(lambda: sim.init(jax.random.key(0)))
    return {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_leaf_of_the_state_belongs_to_an_absent_stage(protocol):
    assert {path.split(".")[1].split("[")[0] for path in leaves(simulation(protocol))} == {
        "round",
        "learner",
        "protocol",
    }
    governed = leaves(simulation(protocol, governance=gj.governance.Scheduled()))
    more = governed - leaves(simulation(protocol))
    assert {".age", ".verdict.factor", ".verdict.back", ".snapshots.ages"} <= more
    # Who decides without votes and pauses carries none of them.
    assert not [path for path in more if "motion" in path or "pause" in path or "electorate" in path]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_governance_without_votes_pauses_nothing_and_asks_nobody(protocol, monkeypatch):
    """A verdict of a factor and an age is all that `Scheduled` has: the rest costs no instruction."""
    governed = simulation(protocol, governance=gj.governance.Scheduled(quarantine=[(1, 2, 1)]))
    whole = program(governed)
    for line in ("held", "vote"):
        monkeypatch.setattr(_step, line, WITHOUT[line])
    assert program(governed) == whole
