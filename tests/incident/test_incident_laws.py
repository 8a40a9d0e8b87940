"""The laws of a society: blind to who is who, and equal to the bit however it is run, across alarms and rollbacks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax import detectors, governance, incident
from ghostjax._tree import replaced


N, T, T0 = 8, 20, 8
CHARTER = gj.charters.BlankPixels((0, 32))


def watch(entry, h):
    past = detectors.OwnPast(rounds=5, skip=1, floor=0.05)
    return detectors.Watch(gj.metrics.Charter(CHARTER), entry, detectors.ShiryaevRoberts(h=h), past)


def society(eps=3.0, h=3.0, captured=2 / N, quorum=0.5):
    """Eight identities with reputations, two of one principal; a council that is through within two rounds."""
    task = gj.tasks.digits(N, model=gj.tasks.models.MLP((64, 10)), batch_size=8)
    server = gj.protocols.Server(gj.aggregators.Mean(), gj.Optimizer(optax.sgd, learning_rate=0.5))
    council = governance.Council(
        names="identities", quorum=quorum, voting=1, timelock=1, pause=2, margin=2, probation=2, rest=3, renew=False,
        snapshots=governance.Snapshots(capacity=4, every=2),
    )  # fmt: skip
    return incident.Incident(
        gj.Simulation(task, server, identity=gj.identity.Reputation()),
        adversary=gj.attacks.Backdoor(gj.charters.BlankPixels((32,)), target=3, eps=eps),
        owner=2,
        charter=CHARTER,
        watches={"network": watch("charter_rise", h), "identities": watch("charter_push", 2 * h)},
        governance=council,
        electorate=governance.Electorate(captured=captured, participation=0.95),
        t0=T0,
        rounds=T,
    ).attacked


def played(sim, key=0, **options):
    return gj.simulate(sim, T, key, progress=None, **options)


def same(one, other, but=()):
    for a, b in zip(jax.tree.leaves(one.state), jax.tree.leaves(other.state), strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(one.record) == set(other.record)
    for name in set(one.record) - set(but):
        np.testing.assert_array_equal(one.record[name], other.record[name], name)


@pytest.fixture(scope="module")
def sim():
    return society()


@pytest.fixture(scope="module")
def whole(sim):
    return played(sim)


def through(record):
    """The first matter of a run, which has to go all the way."""
    (first, *_) = governance.matters(record)
    assert first.outcome is governance.Outcome.executed
    assert first.restored is not None and record["paused"].any() and record["quarantined"].max() > 0
    return first


def test_who_is_who_changes_no_bit_where_messages_are_the_same():
    """An attack that adds nothing, and a council for which any number of votes is enough: all else is messages."""
    calm = society(eps=0.0, h=1.5, captured=1.0, quorum=0.0)
    owners = np.arange(N), np.repeat(np.arange(N // 2), 2), np.zeros(N, int)
    held = np.zeros(N, bool), np.arange(N) >= N - 2, np.arange(N) < 3
    first, *others = [
        played(replaced(calm, byzantine=jnp.asarray(who), owner=jnp.asarray(owner, jnp.int32)))
        for who, owner in zip(held, owners, strict=True)
    ]
    through(first.record)
    memory: Any = first.state
    assert np.ptp(np.asarray(memory.identity.good)) > 0
    for other in others:
        same(first, other, but=("outnumbered",))  # whether a rule's assumption holds is judged by the truth


@pytest.mark.parametrize("chunk", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_chunks_do_not_change_a_bit(sim, whole, chunk):
    matter = through(whole.record)
    assert matter.executed is not None and matter.alarmed // 7 != matter.executed // 7, (
        "a matter lies across the border of chunks"
    )
    same(whole, played(sim, chunk=chunk))


@pytest.mark.parametrize("event", ["alarmed", pytest.param("passed", marks=pytest.mark.slow), "executed"])
def test_a_run_that_is_stopped_in_an_incident_goes_on_to_the_same_bits(sim, whole, event, tmp_path):
    stop = getattr(through(whole.record), event) + 1
    gj.simulate(sim, stop, 0, directory=tmp_path / "run", progress=None)
    same(whole, played(sim, directory=tmp_path / "run"))


WHOLE = ("alarmed", "proposed", "passed", "executed", "restored", "age", "quarantine", "outcome", "failed")


def alike(batched, single):
    """Decisions are equal to the bit; a batch may round sums in another order."""
    for name in WHOLE:
        np.testing.assert_array_equal(batched[name], single[name], name)
    for name in ("yes", "charter_loss", "evidence_network", "evidence_identities"):
        np.testing.assert_allclose(batched[name], single[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_a_sweep_gives_what_single_runs_give(sim, whole):
    found = gj.sweep(sim, {"attack.attack.eps": [0.0, 3.0]}, T, progress=None).dataset
    through(whole.record)
    cell = found.isel(seed=0).sel({"attack.attack.eps": 3.0})
    alike({name: cell[name].values for name in whole.record}, whole.record)
    assert not (found["quarantined"].isel(seed=0).sel({"attack.attack.eps": 0.0}) == cell["quarantined"]).all()


@pytest.mark.slow
def test_a_batch_of_eight_gives_what_single_runs_give(sim):
    keys = jax.random.split(jax.random.key(0), 8)
    play = lambda key: gj.rollout(sim, key, jnp.ones((T, N)))[1]
    batch, single = jax.jit(jax.vmap(play))(keys), jax.jit(play)
    for i, key in enumerate(keys):
        alike({name: column[i] for name, column in batch.items()}, single(key))
    assert len(set(np.asarray(batch["executed"])[:, -1].tolist())) > 2, "verdicts are executed in several rounds"
