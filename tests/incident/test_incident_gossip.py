"""An incident in gossip, end to end: every node has a model of its own, and nobody may know whose models to judge."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax import correction, incident
from ghostjax._tree import replaced
from ghostjax.cli import main


N = 12


def gossip(**options):
    """The ghost on a ring of twelve."""
    ghost = incident.ghost(num_nodes=N, owned=3, eps=3.0, t0=16, rounds=48, burn_in=(4, 14), **options)
    optimizer = gj.Optimizer(optax.sgd, learning_rate=0.3)
    network = gj.protocols.Gossip(None, gj.topologies.ring(N, degree=4), optimizer)
    base = ghost.simulation
    simulation = gj.Simulation(base.task, network, learner=base.learner, metrics=base.metrics)
    return dataclasses.replace(ghost, simulation=simulation)


@pytest.fixture(scope="module")
def calibration():
    return incident.calibrate(gossip(), 19)


def test_the_adversary_is_seen_named_and_undone_in_gossip(calibration):
    """Two of four seeds in eight that name here; by the loss itself, since its excess names in none of the eight."""
    by = incident.Adjoint(outcome=incident.CharterLoss)
    gaps = incident.gaps_of(calibration, by)
    told = incident.name(incident.play(calibration.incident, [101, 102]), by, gaps=gaps)
    for how in (correction.Quarantine(), correction.Replay()):
        told = incident.repair(told, how)
    before = incident.never(calibration.incident, [one.key for one in told])["charter_loss"][:, -1]
    for one, loss in zip(told, before, strict=True):
        assert one.alarms["network"] >= 16 and one.finding.verdict == "named"
        assert one.finding.named.tolist() == calibration.incident.owned.tolist()
        repairs = {name: done.loss for name, done in one.repairs.items()}
        assert repairs["Replay"] < repairs["Quarantine"] < one.loss[-1]
        assert abs(repairs["Replay"] - loss) < 0.1 * (one.loss[-1] - loss)


def test_who_is_byzantine_does_not_decide_whose_models_are_judged(calibration):
    """Scores are derivatives of this number: one that left out the owned would tell who they are."""
    simulation = calibration.incident.attacked
    first = simulation.init(calibration.honest[0].key)
    models = first.protocol.theta + 0.1 * jnp.arange(N, dtype=jnp.float32)[:, None]
    state = first._replace(protocol=first.protocol._replace(theta=models))
    judge = incident.CharterLoss(calibration.incident.charter)
    masks = np.zeros(N, bool), np.arange(N) < 3, np.arange(N) >= 6
    losses = {float(judge(replaced(simulation, byzantine=jnp.asarray(mask)), state)) for mask in masks}
    assert len(losses) == 1
    mean = simulation.ravel.unravel(models.mean(0))
    read = calibration.incident.charter.read(simulation.task.audited(mean))
    assert losses == {float(read.probes.mean())}


FILE = """
nodes: 8
byzantine: 2
protocol: gossip
topology: ring(degree=4)
task: digits(partition=dirichlet_per_node(nodes, 0.5), model=mlp((64, 10)), batch_size=8)
attack: backdoor(blank_pixels(32), target=3, eps=4)
rounds: 30
t0: 10
delay: 8
detectors:
  network: watch(charter(blank_pixels(32)), 'charter_rise', shiryaev_roberts, own_past(skip=1, rounds=6))
  identities: watch(charter(blank_pixels(32)), 'charter_push', shiryaev_roberts, own_past(skip=1, rounds=6))
charter: blank_pixels(32)
correction: [replay]
naming: pushed
honest_runs: 19
seeds: 2
"""


@pytest.mark.slow
def test_an_incident_in_gossip_is_played_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "0")
    (tmp_path / "incident.yaml").write_text(FILE)
    assert main(["incident", str(tmp_path / "incident.yaml"), "--out", str(tmp_path / "here")]) == 0
    import xarray as xr

    found = xr.load_dataset(tmp_path / "here" / "incidents.nc", engine="h5netcdf")
    assert found["never"].shape == (2, 30) and np.isfinite(found["never"]).all()
    assert "results:" in capsys.readouterr().out
