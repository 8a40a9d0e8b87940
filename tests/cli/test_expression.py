"""Objects from text: what a configuration may say, and how it is told that it may not."""

import pytest

import ghostjax as gj
from ghostjax.cli._catalogue import catalogue, FAMILIES, snake
from ghostjax.cli._expression import build


WORDS = {"byzantine": 5, "nodes": 20}


def test_a_call_makes_the_object_with_variables():
    rule = build("aggregator", "trimmed_mean(f=byzantine - 1, share=0.5 / 10)", "aggregators", WORDS)
    assert isinstance(rule, gj.aggregators.TrimmedMean)
    assert float(rule.f) == 4
    assert abs(float(rule.share) - 0.05) < 1e-7


def test_a_bare_name_is_a_call():
    assert isinstance(build("attack", "alie", "attacks", WORDS), gj.attacks.ALIE)


def test_calls_nest():
    task = build("task", "digits(model=mlp((64, 8, 10)), batch_size=4)", "tasks", WORDS, 6)
    assert task.num_nodes == 6
    assert task.model.sizes == (64, 8, 10)


def test_a_partitioner_waits_for_the_labels():
    task = build("task", "digits(partition=pathological(nodes, classes_per_node=2))", "tasks", WORDS, 20)
    assert task.num_nodes == 20
    assert task.describe().classes_per_node <= 2


def test_optimizers_are_those_of_optax():
    optimizer = build("optimizer", "adam(learning_rate=0.01, b1=0.8)", "optimizers", WORDS)
    assert isinstance(optimizer, gj.Optimizer)
    assert {name: round(float(v), 3) for name, v in optimizer.knobs.items()} == {"learning_rate": 0.01, "b1": 0.8}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trimed_mean(f=1)", "did you mean trimmed_mean"),
        ("alie", "no aggregators named 'alie'"),
        ("trimmed_mean(g=1)", r"trimmed_mean: got an unexpected keyword argument 'g'; it takes \(f, share\)"),
        ("trimmed_mean(f=byzantin)", "did you mean byzantine"),
        ("trimmed_mean(f=", "not an expression"),
        ("1 + 1", "write a call"),
        ("trimmed_mean(f=1 / 0)", "1 / 0: division by zero"),
        ("trimmed_mean(f='a' - 1)", "reckons with numbers only, not a text"),
        ("trimmed_mean(f=[1] * 9)", "reckons with numbers only, not a list"),
        ("trimmed_mean(f=1, f=2)", "trimmed_mean: f is given twice; give it once"),
        ("trimmed_mean(f='2')", "f=2 must be a number, not a text|f='2': give a number"),
        ("trimmed_mean(f=-1)", "^aggregator='trimmed_mean.f=-1.': TrimmedMean: f=-1.0: give a number of at least 0"),
        ("nnm(trimmed_mean(f=-1), f=1)", "^aggregator='nnm.*': TrimmedMean: f=-1.0: give a number"),
        ("trimmed_mean(f=9**9**9)", r"'9 \*\* 9 \*\* 9' is not a number"),
        ("trimmed_mean(f=1e999)", "is no finite number"),
        ("trimmed_mean(f=nan)", "give a "),
        ("trimmed_mean(f=10000000000000000000)", "no whole number here has over 18 digits"),
        ("trimmed_mean(f=" + "*".join(["999999999"] * 9) + ")", "no whole number here has over 18 digits"),
        ("trimmed_mean(f=1j)", "'1j' is not a number"),
        ("trimmed_mean(f=b'1')", "is not a number"),
        ("trimmed_mean(f=...)", "is not a number"),
        ("trimmed_mean(f=f'{1}')", "is not a number"),
        ("trimmed_mean(f='\\ud800')", "no file can hold"),
        ("trimmed_mean(f=(lambda: 1)())", "no object named"),
        ("trimmed_mean(f=True)", "must be a number, not a truth value|give a number"),
        ("trimmed_mean(f=lambda x: x)", "is not a number"),
        ("trimmed_mean(f=" + "1" * 30000 + ")", "30016 characters, at most 20000"),
        ("trimmed_mean(f=" + "1" * 3000 + ")", "no whole number here has over 18 digits"),
        ("\0", "not an expression"),
        ("", "not an expression"),
        ("trimmed_mean(f=-'a')", "only numbers have a sign"),
        ("trimmed_mean(**x)", "name each parameter"),
        ("nnm(3)", r"nnm: rule=3 must be an aggregator, not a whole number"),
        ("bucketing(mean, 2.5)", "must be a whole number, not a fraction"),
        ("-" * 3000 + "1", r"\.\.\.': (write a call|not an expression \(nested too deeply)"),
        ("(" * 3000, "not an expression"),
        ("__import__('os').system('true')", "no aggregators named"),
        ("trimmed_mean(f=().__class__)", "is not a number, a text, a list or a call"),
        ("trimmed_mean(f=[i for i in (1,)])", "is not a number, a text, a list or a call"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text, message):
    with pytest.raises(gj.ConfigurationError, match=message) as caught:
        build("aggregator", text, "aggregators", WORDS)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("aggregator=")


@pytest.mark.parametrize(
    ("family", "text", "message"),
    [
        ("tasks", "digits(alpha='x')", "alpha=x must be a number, not a text"),
        ("tasks", "digits(model=3)", "model=3 must be a model or None, not a whole number"),
        ("tasks", "digits(model=mlp(64))", "MLP: sizes=64: give inputs and outputs at least"),
        ("tasks", "digits(batch_size=nodes / 2)", "batch_size=10.0 must be a whole number, not a fraction"),
        ("optimizers", "sgd(learning_rate='x')", "learning_rate=x must be a number or a function, not a text"),
        ("learners", "momentum(convention='mean')", "convention=mean must be 'average' or 'sum', not a text"),
    ],
)
def test_every_argument_is_of_its_kind(family, text, message):
    leading = (20,) if family == "tasks" else ()
    with pytest.raises(gj.ConfigurationError, match=message):
        build("a", text, family, WORDS, *leading)


def test_every_family_has_members_and_every_member_a_line():
    for family in FAMILIES:
        members = [entry for entry in catalogue().values() if entry.family == family]
        assert members, family
        assert all(entry.line for entry in members), [entry.name for entry in members if not entry.line]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("MultiKrum", "multi_krum"), ("ALIE", "alie"), ("NNM", "nnm"), ("ARC", "arc"), ("MLP", "mlp"), ("IPM", "ipm"),
     ("MNISTSmallCNN", "mnist_small_cnn"), ("TrimmedMean", "trimmed_mean")],
)  # fmt: skip
def test_snake(name, expected):
    assert snake(name) == expected
