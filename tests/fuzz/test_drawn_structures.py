"""Structures drawn part by part, with the day's seed: an answer with an honest result, or one line."""

import os
from datetime import date

import optax
import pytest
from hypothesis import given, HealthCheck, seed, settings, strategies as st

import ghostjax as gj

from .test_structures import (
    a,
    BYZANTINE,
    check,
    CLASSES,
    GOOD,
    gossip,
    GRAPHS,
    KNOB,
    learn,
    m,
    PARTICIPATION,
    rules,
    server,
)


RULES = {
    "mean": lambda x: rules.Mean(),
    "trimmed mean": lambda x: rules.TrimmedMean(f=x),
    "median": lambda x: rules.Median(f=x),
    "krum": lambda x: rules.Krum(f=x),
    "krum of the paper": lambda x: rules.Krum(f=x, neighbours="n-f-2"),
    "multi krum": lambda x: rules.MultiKrum(f=x),
    "geometric median": lambda x: rules.GeometricMedian(f=x),
    "weiszfeld": lambda x: rules.Weiszfeld(nu=x),
    "centered clipping": lambda x: rules.CenteredClipping(x, steps=2),
    "centered clipping of the anchor": lambda x: rules.CenteredClipping(x, centre="anchor"),
}
WRAPPERS = {
    "none": lambda rule, x: rule,
    "nnm": lambda rule, x: rules.NNM(rule, f=x),
    "arc": lambda rule, x: rules.ARC(rule, f=x),
    "clipping": lambda rule, x: rules.Clipping(rule, x),
    "bucketing": lambda rule, x: rules.Bucketing(rule, 2),
}
ATTACKS = {
    "none": lambda y, i: a.NoAttack(),
    "alie": lambda y, i: a.ALIE(z=y),
    "alie by the mass": lambda y, i: a.ALIE(),
    "sign flip": lambda y, i: a.SignFlip(y),
    "ipm": lambda y, i: a.IPM(y),
    "gaussian": lambda y, i: a.Gaussian(y, y),
    "noisy mean": lambda y, i: a.NoisyMean(y),
    "constant": lambda y, i: a.Constant(y),
    "non finite": lambda y, i: a.NonFinite(),
    "mimic": lambda y, i: a.Mimic(i),
    "mimic heuristic": lambda y, i: a.MimicHeuristic(i),
    "min max": lambda y, i: a.MinMax(),
    "min sum": lambda y, i: a.MinSum(),
    "fang": lambda y, i: a.FangKrum(y),
    "label flip": lambda y, i: a.LabelFlip(),
    "label map": lambda y, i: a.LabelMap({CLASSES - 1: 0}),
    "line search": lambda y, i: a.LineSearch(a.IPM(y), grid=4, refinements=1),
    "dissensus": lambda y, i: a.Dissensus(y),
    "isolation": lambda y, i: a.Isolation(y),
}
LEARNERS = {
    "gradient": lambda y, z: learn.Gradient(),
    "momentum": lambda y, z: learn.Momentum(y),
    "steps": lambda y, z: learn.LocalSteps(gj.Optimizer(optax.adam, learning_rate=z), 2, persistent=True),
}
METRICS = st.lists(
    st.sampled_from(
        [m.Goal(), m.TrainingLoss(), m.Every(2, m.WorstNode()), m.Consensus(), m.HonestDistance(), m.Influence()]
    ),
    max_size=3,
    unique_by=type,
)


@pytest.mark.slow
def test_an_honest_result_or_one_line(as_users_run):
    day = int(os.environ.get("FUZZ_DAY", date.today().toordinal()))
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

    @seed(day)
    @settings(max_examples=80, deadline=None, database=None, suppress_health_check=quiet)
    @given(
        parts=st.tuples(*(st.sampled_from(sorted(part)) for part in (RULES, WRAPPERS, ATTACKS, LEARNERS))),
        shared=st.booleans(), metrics=METRICS, x=KNOB, y=KNOB, z=st.one_of(GOOD, KNOB), index=st.integers(0, 7),
        graph=st.integers(0, len(GRAPHS) - 1), byzantine=BYZANTINE, participation=PARTICIPATION,
    )  # fmt: skip
    def one(parts, shared, metrics, x, y, z, index, graph, byzantine, participation):
        rule, wrapper, attack, learner = parts

        def structure(x, y, z, i, knobs):
            whole = WRAPPERS[wrapper](RULES[rule](x), x)
            protocol = server(whole, z) if shared else gossip(whole, knobs)
            return protocol, ATTACKS[attack](y, i), LEARNERS[learner](y, z), metrics

        check(structure, x, y, z, index, graph, byzantine, participation)

    try:
        one()
    except BaseException as error:
        error.add_note(f"drawn on day {day}")
        raise
