"""Evidence: what a bundle proves is true, whatever is changed in it is refused, and honest rows lie in the region."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._run._archive import pack, unpack
from ghostjax.ledger import CanonicalReplay, check, evidence, Head, Log
from ghostjax.ledger._draw import candidates, drawn
from ghostjax.ledger._identities import scene

from ..run.run_problem import Points, simulation


N, D, ROUNDS, SEED = 6, 5, 8, 11


def server(**kwargs):
    return simulation(attack=gj.attacks.ALIE(z=3.0), **kwargs)


def gossip():
    sim = simulation()
    optimizer = gj.Optimizer(optax.sgd, learning_rate=0.1, momentum=0.5)
    protocol = gj.protocols.Gossip(gj.aggregators.Median(), gj.topologies.ring(N, degree=4), optimizer)
    return gj.Simulation(sim.task, protocol, attack=gj.attacks.SignFlip(), byzantine=1)


def uneven():
    sim = simulation()
    learner = gj.learners.LocalSteps(gj.Optimizer(optax.sgd, learning_rate=0.05), steps=[1, 2, 3, 1, 2, 3])
    return gj.Simulation(sim.task, sim.protocol, learner=learner, attack=gj.attacks.SignFlip(), byzantine=1)


def preconditioned():
    sim = simulation()
    learner = gj.learners.LocalSteps(gj.Optimizer(optax.adam, learning_rate=0.05), persistent=True)
    return gj.Simulation(sim.task, sim.protocol, learner=learner, attack=gj.attacks.SignFlip(), byzantine=1)


MADE = {"server": server, "gossip": gossip, "uneven": uneven, "preconditioned": preconditioned}


def logged(folder, sim, **kwargs):
    """A run with a ledger, and its training."""
    ledger = gj.sinks.Ledger(folder / "log", every=2, **kwargs)
    return gj.simulate(sim, ROUNDS, SEED, sinks=[ledger], progress=None).training


@pytest.mark.parametrize("name", MADE)
def test_rows_of_the_honest_lie_in_the_region_and_those_of_liars_do_not(tmp_path, name):
    sim = MADE[name]()
    bundle = evidence(logged(tmp_path, sim), tmp_path / "log", [5, 0, 3], 4, tmp_path / "bundle.npz")
    found = check(bundle, sim, 4)
    assert found.rounds == [0, 2, 4, 6] and found.accused == [5, 0, 3]
    assert found.inside.tolist() == [[False, True, True]] * 4 and (found.weights == 1).all()
    assert np.nanmax(found.deviation[:, 1:]) < 1e-5 < 1e-2 < found.deviation[:, 0].min()
    assert not found.signed and found.same_backend and found.size == len(Log(tmp_path / "log", readonly=True))
    assert "unsigned" in str(found) and "outside the region: 5 (" in str(found)
    assert check(bundle, sim, 4, region=1e9).inside.all()
    assert "all rows lie in the region" in str(check(bundle, sim, 4, region=1e9))


def test_who_was_absent_has_no_row(tmp_path):
    sim, weights = server(), np.ones((ROUNDS, N))
    weights[4, 2] = 0
    ledger = gj.sinks.Ledger(tmp_path / "log", every=2)
    run = gj.simulate(sim, ROUNDS, SEED, participation=weights, sinks=[ledger], progress=None)
    found = check(evidence(run.training, tmp_path / "log", [2, 1], 4, tmp_path / "b"), sim, 4)
    assert np.isnan(found.deviation[:, 0]).tolist() == [False, False, True, False] and found.inside.all()
    assert found.weights[2].tolist() == [0, 1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    sim = server()
    path = evidence(logged(folder, sim, audited=[0, 2, 5]), folder / "log", [5, 2], 4, folder / "bundle.npz", rounds=2)
    return folder, sim, path


def test_every_changed_number_is_refused(bundle, tmp_path):
    _, sim, path = bundle
    arrays, manifest = unpack(path)
    assert check(path, sim, 4).rounds == drawn(4, check(path, sim, 4).root, candidates(2, ROUNDS), 2)
    forged = tmp_path / "forged.npz"
    for name, array in arrays.items():
        for at in {0, array.size // 2, array.size - 1} if array.size else ():
            changed = np.array(array)
            changed.reshape(-1)[at] = -1.5 if changed.dtype.kind == "f" else changed.reshape(-1)[at] ^ 1
            forged.write_bytes(pack({**arrays, name: changed}, manifest))
            with pytest.raises(
                gj.ConfigurationError, match=r"^check: bundle=.*(not the one in the log|not under its head)"
            ):
                check(forged, sim, 4)
        forged.write_bytes(pack({k: v for k, v in arrays.items() if k != name}, manifest))
        with pytest.raises(gj.ConfigurationError, match=r"^check: bundle="):
            check(forged, sim, 4)


def test_every_changed_word_is_refused(bundle, tmp_path):
    folder, sim, path = bundle
    arrays, manifest = unpack(path)
    forged, head = tmp_path / "forged.npz", Head.parse(manifest["head"])
    last = max(manifest["entries"], key=int)
    others = [
        {"seed": 5}, {"rounds": 0}, {"rounds": 1.5}, {"rounds": 4}, {"accused": [5, 0]}, {"accused": [2, 5]},
        {"accused": [5, 5]},
        {"accused": [5]}, {"accused": [1, 2]}, {"accused": []}, {"bundle": 2}, {"program": 0}, {"head": "{}"},
        {"head": head._replace(size=head.size - 1).text()}, {"head": head._replace(origin=bytes(32)).text()},
        {"head": head._replace(signature=bytes(range(64))).text()}, {"ledger": manifest["ledger"] + " "},
        {"entries": {k: v for k, v in manifest["entries"].items() if k != last}},
        {"entries": manifest["entries"] | {last: manifest["entries"][last].replace('"round":8', '"round":6')}},
        {"entries": {}}, {"entries": []}, {"head": 3}, {"accused": None},
    ]  # fmt: skip
    for other in others:
        forged.write_bytes(pack(arrays, {**manifest, **other}))
        with pytest.raises(gj.ConfigurationError) as told:
            check(forged, sim, 4)
        assert "\n" not in str(told.value) and str(told.value).startswith(("check: ", "Head.parse: ", "Head.by: ")), (
            other
        )
    # A memory under another name would not be what the row was computed from.
    moved = {name.replace("memory.", "memory.0"): array for name, array in arrays.items()}
    forged.write_bytes(pack(moved, manifest))
    with pytest.raises(gj.ConfigurationError, match="the memory of round"):
        check(forged, sim, 4)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    forged.write_bytes(content)
    for file in (forged, tmp_path / "nothing"):
        with pytest.raises(gj.ConfigurationError, match=r"check: bundle="):
            check(file, sim, 4)
    assert check(path, sim, 4, head=Log(folder / "log", readonly=True).head).size == head.size


def test_what_the_verifier_knows_is_asked_for(bundle, tmp_path):
    folder, sim, path = bundle
    with Log(folder / "log", readonly=True) as log:
        head = log.head
    for call, line in (
        (lambda: check(path, sim, 5), "drawn by another seed"),
        (lambda: check(path, server(f=2.0), 4), "another simulation"),
        (lambda: check(path, sim, 4, head=head._replace(root=bytes(32))), "not the one that is known"),
        (lambda: check(path, sim, 4, region=-1), "region=-1"),
    ):
        with pytest.raises(gj.ConfigurationError, match=line):
            call()


def test_signed_evidence(tmp_path):
    pytest.importorskip("cryptography")
    sim = server()
    training = logged(tmp_path, sim, key=tmp_path / "key")
    with Log(tmp_path / "log", readonly=True) as log:
        public = log.public_key
    path = evidence(training, tmp_path / "log", [5], 4, tmp_path / "b", rounds=1)
    found = check(path, sim, 4, public_key=public)
    assert found.signed and "entries, signed" in str(found)
    with pytest.raises(gj.ConfigurationError, match="its head is not signed by this key"):
        check(path, sim, 4, public_key=gj.ledger.Key(bytes(32)).public)
    arrays, manifest = unpack(path)
    unsigned = Head.parse(manifest["head"])._replace(signature=b"").text()
    path.write_bytes(pack(arrays, {**manifest, "head": unsigned}))
    assert not check(path, sim, 4).signed
    with pytest.raises(gj.ConfigurationError, match="its head is not signed by this key"):
        check(path, sim, 4, public_key=public)


def test_evidence_of_what_was_not_logged_is_refused(tmp_path):
    sim = server()
    training = logged(tmp_path, sim, audited=[1, 5])
    ask = lambda training=training, who=(1,), seed=0: evidence(
        training, tmp_path / "log", list(who), seed, tmp_path / "b"
    )
    for call, line in (
        (lambda: ask(who=()), "name 1 to 16 identities"),
        (lambda: ask(who=range(17)), "name 1 to 16 identities"),
        (lambda: ask(who=(1, 1)), "name each identity once"),
        (lambda: ask(who=(2,)), r"audited are \[1, 5\]"),
        (lambda: ask(seed=-1), "seed=-1"),
        (lambda: ask(gj.Training(sim, ROUNDS, SEED + 1)), "is not what was logged"),
    ):
        with pytest.raises(gj.ConfigurationError, match=line):
            call()
    gj.simulate(sim, 3, SEED, sinks=[gj.sinks.Ledger(tmp_path / "plain")], progress=None)
    with pytest.raises(gj.ConfigurationError, match="commits to no rows"):
        evidence(training, tmp_path / "plain", [1], 0, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_bundle_of_sixteen_identities_of_1210_numbers_fits_into_a_megabyte(tmp_path):
    n, d = 20, 1210
    points = jnp.asarray(np.random.default_rng(0).normal(size=(n, d)), jnp.float32)
    protocol = gj.protocols.Server(gj.aggregators.Mean())
    sizes = {}
    for learner in (gj.learners.Gradient(), gj.learners.Momentum()):
        sim, folder = gj.Simulation(Points(points), protocol, learner=learner), tmp_path / type(learner).__name__
        training = gj.simulate(sim, 10, SEED, sinks=[gj.sinks.Ledger(folder, every=1)], progress=None).training
        path = evidence(training, folder, list(range(16)), 1, tmp_path / "b")
        sizes[type(learner).__name__] = path.stat().st_size, len(check(path, sim, 1).rounds)
    assert all(size <= 1_000_000 for size, _ in sizes.values())
    assert sizes["Gradient"][1] == 8 and sizes["Momentum"][1] == 5


def test_a_row_has_the_same_bits_whoever_is_asked_with_it():
    sim = gossip()
    key, state = jax.random.key(SEED), sim.init(jax.random.key(SEED))
    found = scene(sim, state, jnp.ones(N), key)
    replay = CanonicalReplay(sim)
    take = lambda who: replay.rows(key, 0, None, {k: v[list(who)] for k, v in found.memory.items()}, who)
    whole = take(range(N))
    for who in ([3], [3, 1], [5, 4, 3, 2, 1, 0]):
        assert np.array_equal(take(who), whole[who])
    assert np.allclose(whole[:5], found.rows[:5], rtol=1e-5) and not np.allclose(whole[5], found.rows[5], rtol=1e-2)
    with pytest.raises(gj.ConfigurationError, match="name 1 to 16 identities"):
        replay.rows(key, 0, None, {}, [])


def test_draws_are_the_verifiers():
    there = candidates(3, 100)
    assert there == list(range(0, 100, 3)) and candidates(5, 5) == [0]
    draws = [tuple(drawn(seed, bytes(32), there, 8)) for seed in range(200)]
    assert len(set(draws)) == 200 and all(len(set(draw)) == 8 and list(draw) == sorted(draw) for draw in draws)
    assert drawn(0, bytes([1] * 32), there, 8) != list(draws[0]) and drawn(0, bytes(32), there[:3], 8) == there[:3]
    counts = np.bincount(np.concatenate(draws), minlength=100)[::3]
    assert counts.min() > 20 and counts.max() < 90  # 47 on average, deviation 6
