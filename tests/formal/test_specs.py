"""Every protocol of `specs/` against its manifest: counts, liveness, witnesses, and what each mutant breaks."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax.formal import check

from .specifications import ALL, large, manifest, MISSION, module, program, SPECS


COUNTS = ("distinct", "generated", "depth", "terminal", "labels", "bits")
# Counts published with the protocols' definitions: distinct, generated, depth, terminal, labels, bits.
PUBLISHED = {
    "admission": (2041, 7682, 14, 0, 19, 34),
    "robust_round": (177, 415, 7, 0, 19, 38),
    "slashing": (5616, 37441, 16, 0, 22, 30),
    "quorum_log": (10894, 37252, 13, 573, 36, 24),
    "spot_check": (625, 1451, 11, 81, 16, 20),
    "gossip_log": (28406, 209118, 14, 106, 34, 27),
    "quarantine": (6408, 18405, 20, 64, 17, 25),
}
MUTANTS = [(name, mutant.name) for name in ALL for mutant in module(name).spec().mutants]


def counts(report):
    return {name: getattr(report, name) for name in COUNTS}


@pytest.mark.parametrize("name", ALL)
def test_protocol_is_correct_and_its_counts_are_golden(name):
    golden = manifest(name)
    seen = tuple(golden[c] for c in COUNTS)
    assert seen == PUBLISHED.get(name, seen)
    report = check(program(name))
    assert report.ok, str(report)
    assert counts(report) == {c: golden[c] for c in COUNTS}
    assert all(report.witnesses.values()) and len(report.witnesses) >= 1
    assert {one.name: one.holds for one in report.liveness} == golden["leads_to"]


@pytest.mark.parametrize("name", [large(n) for n in ALL if hasattr(module(n), "symmetry")])
def test_symmetry_leaves_one_state_per_orbit(name):
    golden = manifest(name)
    reduced = module(name).spec()._replace(symmetry=module(name).symmetry(), leads_to=())
    report = check(reduced, engine="numpy")
    assert report.ok, str(report)
    seen = {c: getattr(report, c) for c in golden["symmetry"]}
    assert seen == golden["symmetry"]
    assert seen["depth"] == golden["depth"] and seen["distinct"] < golden["distinct"]


@pytest.mark.parametrize("name", ["robust_round", pytest.param("checkpoint", marks=pytest.mark.slow)])
def test_the_compiled_engine_finds_the_same(name):
    ours, compiled = check(program(name)), check(module(name).spec(), engine="xla")
    assert compiled.engine == "xla" and counts(ours) == counts(compiled) and compiled.ok
    mutant = module(name).spec().mutants[0]
    trace = check(module(name).spec(), mutant, engine="xla").trace
    assert trace is not None and trace.length == mutant.length


@pytest.mark.parametrize(("name", "mutant"), MUTANTS)
def test_mutant_is_killed_by_its_property_as_early_as_stated(name, mutant):
    spec = program(name).spec
    chosen = next(m for m in spec.mutants if m.name == mutant)
    golden = manifest(name)["mutants"][mutant]
    report = check(program(name), chosen)
    assert report.verdict == "violated" and chosen.fires in report.properties, str(report)
    assert report.trace is not None
    assert report.trace.length == chosen.length == golden["length"]
    assert golden["fires"] == chosen.fires


REPLAYED = [
    pytest.param(name, mutant, marks=() if i == 0 and name in MISSION else pytest.mark.slow, id=f"{name}-{mutant.name}")
    for name in ALL
    for i, mutant in enumerate(module(name).spec().mutants)
]


@pytest.mark.parametrize(("name", "mutant"), REPLAYED)
def test_the_counterexample_is_real(name, mutant):
    report = check(program(name), mutant)
    assert report.trace is not None
    steps = report.trace.steps
    replay(program(name).spec, [step.label for step in steps[1:]], mutant, [step.state for step in steps])


def replay(spec, labels, mutant, states):
    """Plays a counterexample through the action functions, outside the checker; only its last step may be wrong."""
    actions = {action.name: action for action in spec.actions}
    kept = lambda claims: {n: f for n, f in claims.items() if mutant.only is None or n in mutant.only}
    at = spec.state(**{name: jnp.asarray(value) for name, value in states[0].items()})
    broken = []
    for i, label in enumerate(labels):
        assert all(bool(claim(at)) for claim in kept(spec.invariants).values()), i
        enabled, after = actions[label.action].fn(at, *map(jnp.int32, label.params.values()), jnp.int32(mutant.bug))
        assert bool(enabled), f"step {i}: {label} is not enabled"
        for name in spec.variables:
            np.testing.assert_array_equal(getattr(after, name), states[i + 1][name], err_msg=f"step {i}: {name}")
        broken = [name for name, claim in kept(spec.steps).items() if not bool(claim(at, after))]
        at = after
        assert not broken or i == len(labels) - 1
    broken += [name for name, claim in kept(spec.invariants).items() if not bool(claim(at))]
    assert mutant.fires in broken


@pytest.mark.parametrize("name", ALL)
def test_each_safety_property_kills_a_mutant(name):
    spec = program(name).spec
    assert len(spec.mutants) >= 3
    assert {m.fires for m in spec.mutants} >= set(spec.invariants) | set(spec.steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_each_promise_is_lost_without_its_fairness(name):
    spec = program(name).spec
    unfair = tuple(claim._replace(fair=(), holds=False) for claim in spec.leads_to if claim.holds)
    report = check(spec._replace(leads_to=unfair), engine="numpy")
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ALL)
def test_recorded_counterexamples_name_actions_that_exist(name):
    spec, golden = program(name).spec, manifest(name)
    labels = {str(label) for label in program(name).labels}
    assert set(golden["mutants"]) == {m.name for m in spec.mutants}
    for recorded in golden["mutants"].values():
        assert set(recorded["actions"]) <= labels and len(recorded["actions"]) == recorded["length"] - 1


@pytest.mark.parametrize("name", ALL)
def test_readme_states_the_counts_and_counterexamples_of_the_manifest(name):
    golden = manifest(name)
    said = " ".join((SPECS / name / "README.md").read_text().split())
    assert f"{golden['distinct']} distinct states, {golden['generated']} generated, depth {golden['depth']}" in said
    for mutant, one in golden["mutants"].items():
        assert f"| `{mutant}` | {one['fires']} | {one['length']} | {', '.join(one['actions'])} |" in said, mutant


def test_a_wrong_count_and_an_overclaimed_liveness_are_noticed():
    """The broken mutants: a golden count off by one, fairness claimed that the protocol does not have."""
    report = check(program("robust_round"))
    assert counts(report) != {**counts(report), "distinct": report.distinct + 1}
    spec = program("spot_check").spec
    report = check(spec._replace(leads_to=tuple(c._replace(holds=True) for c in spec.leads_to)), engine="numpy")
    assert report.verdict == "violated" and report.properties == ("PendingIsSettledWithoutJudge",)
    assert report.trace is not None
    assert report.trace.loop is not None and re.search("Grief", str(report.trace))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ALL if hasattr(module(n), "nightly")])
def test_the_larger_configuration_is_correct_too(name):
    report = check(module(name).nightly())
    assert report.ok, str(report)
    assert report.distinct > manifest(name)["distinct"]


@pytest.mark.parametrize(
    ("lag", "room", "verdict"), [(1, 2, "violated"), (1, 3, "ok"), (2, 3, "violated"), (2, 4, "ok")]
)
def test_a_ring_buffer_of_checkpoints_is_safe_if_it_outlasts_detection(lag, room, verdict):
    loaded = module("quarantine_retention")
    ring = next(m for m in loaded.spec().mutants if m.name == "ring_buffer")
    spec = loaded.spec(loaded.Bounds(nodes=2, versions=lag + 3, lag=lag, room=room))
    assert check(spec, ring, engine="numpy").verdict == verdict


@pytest.mark.parametrize(("delay", "holds"), [(1, False), (2, True)])
def test_an_offence_is_slashed_in_the_end_if_unbonding_outlasts_the_window(delay, holds):
    loaded = module("slashing_unbonding")
    spec = loaded.spec(loaded.Bounds(offences=1, window=2, delay=delay))
    claim = next(c for c in spec.leads_to if c.name == "OffenceIsSlashed")
    bare = spec._replace(invariants={}, steps={}, witnesses={}, leads_to=(claim._replace(holds=holds),))
    assert check(bare, engine="numpy").ok
