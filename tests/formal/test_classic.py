"""Classic models, whose counts other checkers published: the checker is right before the protocols are."""

import pytest

from ghostjax.formal import check, Program

from .specifications import CLASSIC, manifest, module, program


# Distinct, generated, depth.
PUBLISHED = {
    "classic/tcommit": (34, 94, 7),
    "classic/two_phase": (288, 1146, 11),
    "classic/ewd840": (302, 1817, 9),
    "classic/token_ring": (46656, 248832, 1),
    "classic/readers_writers": (21527, 59674, 13),
    "classic/coffee_can": (5150, 20002, 1),
}


@pytest.mark.parametrize("name", CLASSIC)
def test_counts_liveness_and_mutants(name):
    golden = manifest(name)
    report = check(program(name))
    assert report.ok, str(report)
    counts = (report.distinct, report.generated, report.depth)
    assert counts == (golden["distinct"], golden["generated"], golden["depth"])
    assert counts == PUBLISHED.get(name, counts)
    assert {one.name: one.holds for one in report.liveness} == golden["leads_to"]
    assert {m.name for m in program(name).spec.mutants} == set(golden["mutants"])
    for mutant in program(name).spec.mutants:
        caught = check(program(name), mutant)
        assert mutant.fires in caught.properties, str(caught)
        assert caught.trace is not None
        assert caught.trace.length == mutant.length == golden["mutants"][mutant.name]["length"]


def test_two_phase_commit_of_five_managers():
    two_phase = module("classic/two_phase")
    five = two_phase.Bounds(managers=5)
    report = check(two_phase.spec(five), engine="numpy")
    assert report.ok and report.distinct == 8832
    # One state per orbit of the symmetric group; sorting by a part of each manager's state gives 665.
    reduced = check(two_phase.spec(five)._replace(symmetry=two_phase.symmetry(five)), engine="numpy")
    assert reduced.ok and reduced.depth == report.depth and reduced.distinct < 665 / 2


@pytest.mark.parametrize("name", ["classic/tcommit", "classic/two_phase"])
def test_symmetry_of_managers(name):
    reduced = module(name).spec()._replace(symmetry=module(name).symmetry())
    report, golden = check(reduced, engine="numpy"), manifest(name)["symmetry"]
    assert {c: getattr(report, c) for c in golden} == golden
    for mutant in reduced.mutants:
        trace = check(reduced, mutant, engine="numpy").trace
        assert trace is not None and trace.length == mutant.length


def test_four_gallons_take_six_pours():
    report = check(Program(module("classic/die_hard").puzzle(), "numpy"))
    assert report.verdict == "violated" and report.properties == ("NeverMeasured",)
    assert report.trace is not None
    assert report.trace.length == 7 and report.trace.steps[-1].state["big"] == 4
