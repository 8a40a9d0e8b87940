"""Whatever stands in a file or a flag: a configuration, or one line, in bounded time. Nothing is trained."""

import itertools
import time
import warnings
from pathlib import Path

import hypothesis.strategies as st

from ghostjax import ConfigurationError
from ghostjax.cli._catalogue import catalogue
from ghostjax.cli._config import dump, load, participation, RunConfig, simulation, SweepConfig
from ghostjax.cli._expression import build

from .fuzzing import examples


SECONDS = 10.0
"""Of the processor, for one configuration: far more than any takes, far less than what has no bound."""
VALID = {
    "nodes": "6", "byzantine": "1", "task": "quadratic(dim=3)", "attack": "alie(z=1.5)", "rounds": "3",
    "aggregator": "trimmed_mean(f=byzantine)", "protocol": "server", "topology": "ring(degree=2)",
    "learner": "momentum(beta=0.9)", "metrics": "[goal, every(2, honest_distance)]", "participation": "everybody",
    "optimizer": "sgd(learning_rate=rate)", "variables": "{rate: 0.1}", "seed": "0", "evaluate_every": "1",
}  # fmt: skip
NUMBERS = st.sampled_from(
    ["0", "-1", "1", "2", "6", "0.5", "1e-3", ".inf", "010", "1:20", "1_0", "0x3", "1e400", "9" * 60, "0o7", "+5",
     "2020-13-45", "-0", "1.", "00", "1e1", "12e03"]
)  # fmt: skip
SCALARS = NUMBERS | st.sampled_from(
    ["", "~", "no", "true", "!!int ''", "!!binary x", "&a [*a]", "*b", "? [a]", "{a: b}", "[1, [2]]", "'x'",
     '"\\ud800"', '"\\0"', "|\n  text", "<<: 3", "- a", "mean(", "lambda: 1", "{{", "%", "@x", "!x y", "'", "=",
     "gossip", "everybody", "[goal, every(2, goal)]", "stake([1, 2])", "{<<: [1]}", "\tx", "é", "\N{ZERO WIDTH SPACE}"]
) | st.text(max_size=12)  # fmt: skip


@st.composite
def documents(draw):
    """A valid document with some of it gone, changed, said twice, indented, or with noise in it."""
    lines = [f"{key}: {value}" for key, value in VALID.items()]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        key = lines[at].split(":")[0]
        kind = draw(st.sampled_from(["value", "value", "value", "drop", "twice", "key", "noise", "indent", "bomb"]))
        if kind == "value":
            lines[at] = f"{key}: {draw(SCALARS)}"
        elif kind == "drop":
            lines.pop(at)
        elif kind == "twice":
            lines.append(lines[at])
        elif kind == "key":
            lines[at] = f"{draw(SCALARS)}: 1"
        elif kind == "indent":
            lines[at] = draw(st.sampled_from([" ", "\t", "- ", "---\n", "%", "# "])) + lines[at]
        elif kind == "bomb":
            names = "abcdefghij"
            rows = [f"x{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in itertools.pairwise(names)]
            lines += ["xa: &a [1]", *rows]
        else:
            place = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:place] + draw(st.text(min_size=1, max_size=3)) + lines[at][place:]
        if not lines:
            break
    return "\n".join(lines).encode("utf-8", "surrogatepass")


ENTRIES = sorted(catalogue().values(), key=lambda entry: entry.name)
PARAMETERS = sorted({name for entry in ENTRIES for name in entry.parameters.split(", ") if name})
ATOMS = st.sampled_from([entry.name for entry in ENTRIES] + ["nodes", "byzantine", "inf", "nan", "tanh", "x", "None"])
NUMERALS = st.sampled_from(
    ["0", "1", "2", "3", "6", "0.5", "-1", "1e-3", "1e999", "1j", "9" * 40, "0x10", "1_0", "True"]
)
JUNK = st.sampled_from(
    ["'a'", "b'x'", "f'{x}'", "...", "**x", "*x", "lambda: 1", "x.y", "x[0]", "()", "{}", "a := 1", "1 if x",
     "[i for i in x]", "9**9**9", "'\\ud800'", "é", "ﬀ", "", "(" * 300, "__import__('os')"]
)  # fmt: skip


def _calls(inner):
    named = st.tuples(st.sampled_from(PARAMETERS), inner).map("=".join)
    arguments = st.lists(inner | named | named, max_size=3).map(", ".join)
    operators = st.sampled_from([" + ", " - ", " * ", " / ", " // ", " ** ", " % ", ", ", " and ", " < ", ""])
    return (
        st.tuples(ATOMS, arguments).map("{0[0]}({0[1]})".format)
        | st.tuples(inner, operators, inner).map("".join)
        | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | inner.map("-{}".format)
    )


EXPRESSIONS = st.recursive(ATOMS | NUMERALS | NUMERALS | JUNK, _calls, max_leaves=6)


def answered(make, what):
    """What `make` gives, or None where it refuses in one line; within bounded time."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = make()
        except ConfigurationError as error:
            assert str(error).isprintable() or "\n" not in str(error), f"{what!r}: {error}"
            assert len(str(error)) < 2000, f"{what!r}: a line of {len(str(error))} characters"
            made = None
    assert time.process_time() - start < SECONDS, f"{what!r}: {time.process_time() - start:.1f} s"
    return made


@examples(15, text=documents())
def test_a_document_is_a_configuration_or_one_line(tmp_path, as_users_run, text):
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    for kind in (RunConfig, SweepConfig):
        config = answered(lambda kind=kind: load(path, kind), text)
    run = answered(lambda: load(path, RunConfig), text)
    if run is not None:
        answered(lambda: (simulation(run), participation(run)), text)
        again = Path(tmp_path / "again.yaml")
        again.write_text(dump(run), encoding="utf-8")
        assert repr(load(again, RunConfig)) == repr(run)
    assert config is None or run is not None


@examples(15, family=st.sampled_from(ENTRIES).map(lambda entry: entry.family), text=EXPRESSIONS)
def test_an_expression_is_an_object_or_one_line(as_users_run, family, text):
    leading = (6,) if family in ("tasks", "topologies") else ()
    words = {"nodes": 6, "byzantine": 1}
    answered(lambda: build("field", text, family, words, *leading), text)
