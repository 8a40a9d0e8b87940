"""The command line: what it writes, what it refuses, how it exits."""

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

import ghostjax as gj
from ghostjax.cli import main
from ghostjax.cli._catalogue import catalogue, FAMILIES
from ghostjax.cli._config import dump, load, participation, RunConfig, simulation, SweepConfig
from ghostjax.cli._tables import print_table
from ghostjax.cli._yaml import parse, write


RUN = """
nodes: 6
byzantine: 1
task: digits(batch_size=4, model=mlp((64, 8, 10)))
attack: alie(z=1.5)
aggregator: trimmed_mean(f=byzantine)
rounds: 6
evaluate_every: 3
"""
SWEEP = (
    RUN
    + """
axes:
  attack: [alie(z=1), alie(z=1.5)]
  byzantine: [1, 2]
seeds: 2
"""
)


@pytest.fixture(autouse=True)
def quiet_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "0")
    return tmp_path


def wrote(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def self_contained(page: Path) -> bool:
    text = page.read_text()
    assert """content="default-src 'none'; """ in text
    return not re.search(r"""(src|href)=\\?["']https?://""", text)


def test_run_writes_results_a_page_and_can_be_read_back(capsys):
    config = wrote("run.yaml", RUN)
    assert main(["run", config, "--out", "here", "--rounds", "4"]) == 0
    out = capsys.readouterr().out
    assert "accuracy" in out and "report: here/report.html" in out
    run = gj.load_run("here")
    assert run.rounds == 4
    assert "loss" in run.dataset
    assert self_contained(Path("here/report.html"))
    page = Path("here/report.html").read_text().partition("<main>")[2]
    setting = "for 4 rounds with the rule trimmed_mean(f=byzantine) at a server, attacked by alie(z=1.5) from 1 of 6"
    assert setting in page and "Completed: " in page and "seed 0" in page and "band" not in page
    Path("here/report.html").unlink()
    assert main(["report", "here"]) == 0
    assert Path("here/report.html").exists()
    for name, left in {"results.nc": 0.5, "final.npz": 0}.items():
        whole = (Path("here") / name).read_bytes()
        (Path("here") / name).write_bytes(whole[: int(left * len(whole))])
        capsys.readouterr()
        assert main(["report", "here"]) == 2
        error = capsys.readouterr().err.strip()
        assert error.startswith("ghostjax: load_run: directory=here: ") and "run it again" in error
        assert "\n" not in error and name in error
        assert main(["resume", "here"]) == 0
    assert main(["run", config, "--out", "here"]) == 2
    assert "holds another configuration (rounds: 4 -> 6" in capsys.readouterr().err
    assert main(["resume", "here", "--rounds", "3"]) == 2
    assert "resume: --rounds" not in (caught := capsys.readouterr().err) and "holds 4 rounds already" in caught
    for words in (["--rounds"], ["--rounds", "many"], ["--rounds=-1"]):
        assert main(["resume", "here", *words]) == 2
        assert "resume: --rounds=" in capsys.readouterr().err
    assert main(["resume", "--rounds=6", "here"]) == 0
    assert gj.load_run("here").rounds == 6
    assert main(["run", config, "--out", "here"]) == 0  # the configuration knows it
    assert main(["verify", "here"]) == 0
    assert "here: whole" in capsys.readouterr().out


def test_a_run_is_made_again_from_its_configuration(capsys, monkeypatch):
    config = wrote("run.yaml", RUN + "participation: sampled(0.5)\n")
    assert main(["run", config, "--out", "here", "--rounds", "3", "--progress", "none"]) == 0
    run = gj.load_run("here")
    assert run.simulation is not None and run.training is not None
    assert run.training.weights.sum(1).tolist() == [3, 3, 3] and run.params()
    assert gj.attribution.leave_one_out(run).scores.shape == (6,)
    longer = run.extend(5, progress=None)
    direct = gj.simulate(run.simulation, 5, 0, participation=gj.sampled(0.5), progress=None)
    assert (longer.models == direct.models).all()
    assert gj.load_run("here", rebuild=False).simulation is None
    with monkeypatch.context() as patch:
        patch.setattr("ghostjax.cli._config.standard", lambda every: (gj.metrics.Goal(),))
        with pytest.warns(UserWarning, match="load_run: directory=here: its configuration makes another simulation"):
            assert gj.load_run("here").simulation is None
    with monkeypatch.context() as patch:
        patch.setitem(catalogue(), "digits", catalogue()["mean"])
        with pytest.warns(UserWarning, match=r"load_run: directory=here: task=.*; read without its simulation"):
            assert gj.load_run("here").rounds == 5


def test_a_run_is_tracked(capsys):
    pytest.importorskip("tensorboardX")
    config = wrote("run.yaml", RUN)
    given = ["--progress", "none", "--track", "curves"]
    assert main(["run", config, "--out", "here", "--rounds", "3", *given]) == 0
    assert main(["resume", "here", "--rounds", "5"]) == 0  # the configuration knows it
    assert '"rounds": 5' in Path("curves/ghostjax.json").read_text() and len(list(Path("curves").glob("events*"))) == 2
    assert main(["sweep", wrote("sweep.yaml", SWEEP), "--out", "there", "--track", "curves"]) == 2
    assert "sweep: track=curves: only a single run is tracked" in capsys.readouterr().err


def test_a_run_is_logged_and_stopped_early(capsys):
    stop = "early_stopping('loss', patience=1, least=rounds, every=3)"
    config = wrote("run.yaml", RUN + f"progress: none\njsonl: log.jsonl\nstop: {stop}\n")
    assert main(["run", config, "--out", "here"]) == 0
    assert "stopped early" in capsys.readouterr().out and gj.load_run("here").rounds == 3
    assert main(["run", config, "--out", "here", "--stop", "none"]) == 0  # the same run goes on
    assert "stopped" not in capsys.readouterr().out and gj.load_run("here").rounds == 6
    assert [json.loads(line)["round"] for line in Path("log.jsonl").read_text().splitlines()[1:]] == [0, 1, 2, 3, 4, 5]
    assert main(["run", config, "--out", "elsewhere", "--seed", "1"]) == 2
    assert "JSONL: path=log.jsonl: another file is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stop", "line"),
    [
        ("early_stopping('losss', patience=1)", "metric='losss': did you mean 'loss'?"),
        (
            "early_stopping('loss')",
            "missing a required argument: 'patience'; it takes (metric, patience, least, every)",
        ),
        ("early_stopping('loss', patience=0)", "patience=0"),
        ("mean", "no sinks named 'mean'; known: early_stopping"),
    ],
)
def test_an_early_end_that_cannot_be_is_refused(stop, line, capsys):
    assert main(["run", wrote("run.yaml", RUN), "--out", "here", "--stop", stop]) == 2
    error = capsys.readouterr().err.strip()
    assert line in error and "\n" not in error and not Path("here").exists()


@pytest.mark.parametrize(
    ("field", "value", "does"),
    [("jsonl", "log.jsonl", "is logged"), ("stop", "early_stopping('loss', patience=1)", "is stopped")],
)
def test_a_sweep_is_neither_logged_nor_stopped(field, value, does, capsys):
    assert main(["sweep", wrote("sweep.yaml", SWEEP), "--out", "there", f"--{field}", value]) == 2
    assert f"sweep: {field}={value}: only a single run {does}; leave it out" in capsys.readouterr().err


def test_sweep_shards_into_the_whole_and_shows_worst_cases(capsys):
    config = wrote("sweep.yaml", SWEEP)
    assert main(["sweep", config, "--out", "there", "--shard", "0/2"]) == 0
    assert "4 of 8 cells done" in capsys.readouterr().out
    # A part holds whole points: no seed is elsewhere.
    unfinished = Path("there/report.html").read_text().partition("<main>")[2]
    assert "Unfinished: 4 of 8 cells are done. 2 of 4 points have all their 2 seeds, 0 some of them." in unfinished
    assert main(["sweep", config, "--out", "there", "--shard", "1/2"]) == 0
    assert "8 of 8 cells done" in capsys.readouterr().out
    page = Path("there/report.html")
    assert self_contained(page)
    assert "Worst case over attacks" in page.read_text()
    dataset = gj.collect("there").dataset
    assert dict(dataset["accuracy"].sizes) == {"attack": 2, "byzantine": 2, "seed": 2, "round": 6}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nope"], "no such command; known: demo, run"),
        (["run", "missing.yaml"], "config=missing.yaml: no such file"),
        (["run", "bad.yaml"], "unknown key 'nodez'; did you mean nodes?"),
        (["run", "type.yaml"], "nodes='many': must be int, not str"),
        (["run", "list.yaml"], "holds a list; needs a mapping"),
        (["run", "broken.yaml"], "not YAML"),
        (["run", "tabs.yaml"], "line 2, column 1: .*indent with spaces, not tabs"),
        (["run", "twice.yaml"], "'nodes' is given twice"),
        (["run", "loop.yaml"], "refers to itself"),
        (["run", "."], r"cannot be read \(Is a directory\)"),
        (["run", "words.yaml"], r"variables\['nodes'\]=9: this word has a meaning already"),
        (["run", "--byzantin", "3"], "run: Unrecognized options: .*did you mean --byzantine"),
        (["run", "--byzantine", "x"], "run: .*--byzantine.*'x'"),
        (["run", "--protocol", "serve"], "no protocols named 'serve'; did you mean server"),
        (["run", "--rounds", "2", "run.yaml"], "one file comes before the flags"),
        (["run", "--rounds", "0"], "run: rounds=0: must be at least 1"),
        (["run", "--seed", "4294967296"], "run: seed=4294967296: a seed lies between 0 and 4294967295"),
        (["run", "--rounds", "10.5"], r"run: .*--rounds.*'10.5'"),
        (["run", "--seed", "x"], r"run: .*--seed.*'x'"),
        (["run", "--rounds", "1000000000000000000"], "run: rounds=1000000000000000000: must be at most 2147483647"),
        (["run", "--nodes", "1000000000"], "run: nodes=1000000000: must be at most 16777216"),
        (["run", "--byzantine", "1.5"], "run: byzantine=1.5: write a whole number of nodes, or a fraction"),
        (["run", "run.yaml", "--metrics", "gaol"], "no metrics named 'gaol'; did you mean goal"),
        (["run", "run.yaml", "--metrics", "goal"], "evaluate_every=3: metrics say it themselves"),
        (["run", "run.yaml", "--protocol", "gossip(mean, ring(degree=3))"], "^ghostjax: protocol=.*: ring: degree=3"),
        (["run", "run.yaml", "--participation", "[1, 1]"], r"participation=array of shape \(2,\)"),
        (["run", "run.yaml", "--participation", "stake([1, -1])"], "participation='stake.*': stake: shares=-1"),
        (["run", "run.yaml", "--participation", "somebody"], "no participation named 'somebody'"),
        (["run", "run.yaml", "--progress", "loud"], "invalid choice 'loud'"),
        (["run", "octal.yaml"], "line 1, column 8: 010: some programs read this as octal; write 10"),
        (["run", "clock.yaml"], "rounds='1:20': must be int, not str"),
        (["run", "key.yaml"], "line 1, column 3: a key is a word, not a list"),
        (["run", "date.yaml"], "seed='2020-99-99': must be int, not str"),
        (["run", "tag.yaml"], "line 1, column 8: !!int: leave tags out"),
        (["run", "huge.yaml"], "a number of 5000 characters; write a shorter one"),
        (["run", "bomb.yaml"], "more than 10000 values, aliases written out"),
        (["run", "deep.yaml"], "nested too deeply"),
        (["run", "binary.yaml"], "not YAML: byte 0 is not UTF-8"),
        (["run", "nul.yaml"], "not YAML: unacceptable character"),
        (["run", "empty.yaml"], "holds nothing; needs a mapping"),
        (["run", "long.yaml"], "is longer than 256 KiB"),
        (["run", "merge.yaml"], "<< takes over mappings only"),
        (["run", "number.yaml"], "unknown key 7"),
        (["run", "surrogate.yaml"], "no file can hold"),
        (["run", "--seed=-1"], "run: seed=-1: a seed lies between"),
        (["run", "run.yaml", "--task", "digits(partition=iid(5))"], "partition=of 5 nodes: num_nodes=6"),
        (["run", "run.yaml", "--task", "digits(model=mlp((64, 3)))"], "labels 0 to 9: the model has 3 outputs"),
        (["run", "run.yaml", "--task", "digits(model=mlp((32, 10)))"], "model=MLP: cannot take examples of shape"),
        (["run", "run.yaml", "--learner", "momentum(beta=2)"], r"Momentum: beta=2.0: must lie in \[0, 1\)"),
        (["demo", "--rounds", "0"], "demo: rounds=0"),
        (["run", "--out", "run.yaml"], "run: out=run.yaml: is a file; name a folder"),
        (["demo", "--out", "run.yaml/x"], "demo: out=run.yaml/x: cannot be written to"),
        (["doctor", "now"], "doctor: now: it takes no arguments"),
        (["list", "krum"], "it is one of the aggregators"),
        (["sweep", "text.yaml"], r"axes\['attack'\]=sign_flip: write a list"),
        (["sweep", "unused.yaml"], r"axes\['alpah'\]=.*did you mean alpha"),
        (["sweep", "rounds.yaml"], r"axes\['rounds'\]=\[2, 3\]: cannot be an axis"),
        (["sweep", "kind.yaml"], r"axes\['nodes'\]='x': must be int, not str"),
        (["sweep", "sweep.yaml", "--shard", "²/3"], "write i/n"),
        (["resume"], "resume: DIR=nothing: name one folder"),
        (["report", "begun"], "its run is not finished: ghostjax resume begun"),
        (["run", "--aggregator", "trimmed_mean(f=40)"], r"Server\(TrimmedMean\): f=40.0: .*lower f or add nodes"),
        (["run", "--byzantine", "65"], "byzantine=65: must lie between 0 and the 64 nodes"),
        (["run", "--nodes", "600", "--task", "digits(alpha=0.01)"], "dirichlet: min_size=1: .*use partition.iid"),
        (["run", "--protocol", "gossip", "--topology", "from_edges(edges=((0, 1), (2, 3)))", "--nodes", "4",
          "--byzantine", "0", "--aggregator", "mean"], "connected"),
        (["sweep", "run.yaml"], "name at least one axis"),
        (["sweep", "sweep.yaml", "--shard", "2/2"], "write i/n"),
        (["report", "nowhere"], "holds neither run.yaml nor sweep.yaml"),
        (["list", "aggregator"], "did you mean aggregators?"),
    ],
)  # fmt: skip
def test_what_cannot_be_exits_2_with_one_line(argv, message, capsys):
    wrote("bad.yaml", "nodez: 3")
    wrote("type.yaml", "nodes: many")
    wrote("list.yaml", "- 1")
    wrote("broken.yaml", "a: [")
    wrote("tabs.yaml", "nodes: 6\n\tbyzantine: 1\n")
    wrote("twice.yaml", "nodes: 6\nnodes: 7\n")
    wrote("loop.yaml", "variables: &x {a: *x}\n")
    for name, text in {
        "octal": "nodes: 010", "clock": "rounds: 1:20", "key": "? [a]\n: b", "date": "seed: 2020-99-99",
        "tag": "nodes: !!int ''", "huge": f"nodes: {'9' * 5000}", "deep": "[" * 3000, "nul": "nodes: \0",
        "empty": "", "long": "# x\n" * 2**17, "merge": "<<: 3", "number": "7: 8", "surrogate": 'task: "\\ud800"',
        "bomb": "a: &a [" + "1, " * 99 + "1]\n" + "b: &b [" + "*a, " * 99 + "*a]\nc: [" + "*b, " * 99 + "*b]",
    }.items():  # fmt: skip
        wrote(f"{name}.yaml", text)
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    wrote("words.yaml", "variables: {nodes: 9}\n")
    for name, axes in {
        "text": "attack: sign_flip", "rounds": "rounds: [2, 3]", "kind": "nodes: [6, x]", "unused": "alpah: [1, 2]",
    }.items():  # fmt: skip
        wrote(f"{name}.yaml", f"task: digits(alpha=alpha)\naxes: {{alpha: [1, 1e-1], {axes}}}")
    Path("begun").mkdir()
    wrote("begun/run.yaml", RUN)
    wrote("run.yaml", RUN)
    wrote("sweep.yaml", SWEEP)
    assert main(argv) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("ghostjax: ") and "\n" not in error
    assert re.search(message, error), error
    assert not Path("runs").exists(), "what is refused leaves nothing behind"


def test_numbers_as_people_write_them():
    path = Path(
        wrote("a.yaml", "\ufefftask: digits(alpha=alpha)\naxes: {alpha: [1e-1, .5, 2E3, 1, 0.1e+1, 0x10, 1_0]}")
    )
    assert load(path, SweepConfig).axes == {"alpha": [0.1, 0.5, 2000.0, 1, 1.0, 16, 10]}
    base = Path(wrote("b.yaml", "variables: &v {a: 1, b: no}\naxes: {alpha: [1]}\ntask: digits(alpha=alpha)\n"))
    assert load(base, SweepConfig).variables == {"a": 1, "b": "no"}


@pytest.mark.parametrize(
    "value",
    ["010", "1e-3", "0o10", "no", "~", "null", "", "1:20", "2020-01-01", "a: b", "1_0", "<<", "=", ".inf", "1e400",
     "- a", "é\n ", "true", 1e-7, 1e22, float("inf"), True, None, 5, [1, "2"], {"a": {"b": [0.5]}}],
)  # fmt: skip
def test_what_is_written_reads_back_the_same(value):
    again = parse(write({"x": value}))["x"]
    assert again == value and type(again) is type(value)


def test_every_argument_of_a_simulation_and_of_simulate_is_a_field():
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    elsewhere = {"simulation", "key", "state", "directory", "resume", "sinks", "config"}
    for call in (gj.Simulation.__init__, gj.simulate):
        assert set(inspect.signature(call).parameters) - {"self"} - elsewhere <= fields


def test_every_family_can_be_used_in_a_configuration(capsys):
    text = (
        RUN.replace("evaluate_every: 3", "")
        + """
protocol: gossip(topology=ring(degree=4))
byzantine: 0.2
metrics: [every(2, goal), every(3, worst_node), influence]
participation: stake([1, 1, 1, 1, 1, 2])
chunk: 3
progress: none
"""
    )
    text = text.replace("byzantine: 1\n", "")
    config = load(Path(wrote("all.yaml", text)), RunConfig)
    made = simulation(config)
    assert [type(metric).__name__ for metric in made.metrics] == ["Every", "Every", "Influence"]
    second, protocol = made.metrics[1], made.protocol
    assert isinstance(second, gj.metrics.Every) and isinstance(second.metric, gj.metrics.WorstNode)
    assert second.every == 3
    assert isinstance(protocol, gj.protocols.Gossip) and isinstance(protocol.topology, gj.topologies.Topology)
    assert protocol.topology.nbr.shape == (6, 5)
    assert isinstance(protocol.aggregator, gj.aggregators.TrimmedMean) and float(protocol.aggregator.f) == 1
    assert int(made.byzantine.sum()) == 1
    assert participation(config).weights.max() == pytest.approx(12 / 7)
    assert load(Path(wrote("again.yaml", dump(config))), RunConfig) == config
    assert (
        simulation(dataclasses.replace(config, metrics=["goal"], byzantine=0, attack="no_attack")).byzantine.sum() == 0
    )
    assert participation(dataclasses.replace(config, participation="by_examples")) == "by_examples"
    assert participation(dataclasses.replace(config, participation="[1, 1, 0, 1, 1, 1]")) == [1, 1, 0, 1, 1, 1]
    swept = "axes: {metrics: [[goal, every(2, worst_node)], goal], aggregator: [nnm(mean, f=1), mean]}\n"
    axes = load(Path(wrote("swept.yaml", RUN + swept)), SweepConfig).axes
    assert axes == {"metrics": [["goal", "every(2, worst_node)"], ["goal"]], "aggregator": ["nnm(mean, f=1)", "mean"]}


def test_a_society_is_written_as_one_is_made(capsys):
    text = """
byzantine: 2
owner: [0, 1, 2, 3, 4, 4]
identity: capped([1, 1, 1, 1, 2, 9], cap=3)
participation: splitting(4, [5], 2)
detectors:
  network: watch(goal, 'loss', cusum(h=5), own_past(rounds=2))
governance: council(quorum=0.6, voting=1, timelock=2, pause=1, snapshots=snapshots(capacity=4, every=2))
electorate: electorate(captured=0.25, accuracy=1)
"""
    config = load(Path(wrote("society.yaml", RUN.replace("byzantine: 1\n", "") + text)), RunConfig)
    made = simulation(config)
    assert made.governance == gj.governance.Council(
        quorum=0.6, voting=1, timelock=2, pause=1, snapshots=gj.governance.Snapshots(capacity=4, every=2)
    )
    assert made.identity == gj.identity.Capped([1, 1, 1, 1, 2, 9], cap=3)
    assert participation(config).rows(3, 6, None).tolist() == [[1, 1, 1, 1, 1, 0]] * 2 + [[1, 1, 1, 1, 0, 1]]
    voters: Any = made.electorate
    assert float(voters.captured) == 0.25 and made.owner is not None and made.owner.tolist() == [0, 1, 2, 3, 4, 4]
    assert load(Path(wrote("again.yaml", dump(config))), RunConfig) == config
    assert main(["list", "governance"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("council", "electorate", "scheduled", "snapshots"))
    assert main(["run", "society.yaml", "--electorate", "none"]) == 2
    assert "a motion needs voters; give electorate=" in capsys.readouterr().err


class Point(NamedTuple):
    name: str
    value: str
    made: Any
    dist: Any = None
    module: str = "theirs"

    def load(self):
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


@pytest.mark.filterwarnings("default")
def test_plug_ins_are_named_by_their_package_and_a_broken_one_is_left_out(monkeypatch, capsys):
    points = {
        "ghostjax.aggregators": [
            Point("theirs", "theirs:Mean", gj.aggregators.Mean),
            Point("mean", "theirs:mean", print),
        ],
        "ghostjax.attacks": [Point("broken", "theirs:broken", ImportError("no torch"))],
        "ghostjax.partitions": [Point("halves", "theirs:halves", lambda labels, num_nodes: None)],
    }
    monkeypatch.setattr("ghostjax.cli._catalogue.entry_points", lambda group: points.get(group, []))
    catalogue.cache_clear()
    try:
        assert main(["list", "aggregators", "partitions"]) == 0
        out, caught = capsys.readouterr()
        assert "theirs: one of the aggregators, from theirs (theirs:Mean)" in out
        assert "theirs (theirs:mean): mean is the name of one of the aggregators of ghostjax; left out" in caught
        assert "theirs (theirs:broken): cannot be imported (ImportError: no torch); left out" in caught
        assert catalogue()["halves"].parameters == ""
    finally:
        catalogue.cache_clear()


def test_a_folder_belongs_to_what_was_begun_in_it(capsys):
    config = wrote("run.yaml", RUN)
    assert main(["run", config, "--out", "here", "--chunk", "-1"]) == 2
    assert main(["run", config, "--out", "here", "--seed", "-1"]) == 2
    assert not Path("here").exists()
    Path("here").mkdir()
    wrote("here/run.yaml", "nodes: [")
    assert main(["run", config, "--out", "here"]) == 2
    error = capsys.readouterr().err
    assert "out=here: belongs to another run (config=here/run.yaml: not YAML" in error and "choose another" in error
    # Fields at their defaults may be missing: a file of an older version.
    wrote("here/run.yaml", RUN.replace("rounds: 6", "rounds: 7"))
    assert main(["run", config, "--out", "here"]) == 2
    assert "holds another configuration (rounds: 7 -> 6); choose another folder" in capsys.readouterr().err


def test_brackets_in_names_are_no_markup(capsys):
    console = Console(highlight=False, markup=False, width=200)
    print_table(console, ["rule", "at [n, d]"], [["[bold]mean[/z]", "1.5  [1, 2]"]])
    assert "[bold]mean[/z]" in capsys.readouterr().out


@pytest.mark.parametrize("width", [1, 20, 200])
def test_no_terminal_is_too_narrow_for_a_number(width, capsys):
    columns, rows = ["rule", "accuracy", "loss"], [["trimmed_mean(f=byzantine)", "97.3%  [97%, 98%]", "123456.789"]]
    print_table(Console(width=width), columns, rows)
    out = capsys.readouterr().out
    assert all(word in out for word in ("trimmed_mean(f=byzantine)", "97.3%", "123456.789"))
    assert "…" not in out and "98%" not in out


def test_doctor_sees_a_data_folder_that_is_not_there(monkeypatch, capsys):
    monkeypatch.setenv("GHOSTJAX_DATA", "nowhere")
    assert main(["doctor"]) == 3
    assert "nowhere is no folder: set GHOSTJAX_DATA" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["resume", "report", "list", "run", "demo", "check"])
def test_help_is_no_error(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"ghostjax {name}" in capsys.readouterr().out


def test_list_and_doctor(capsys):
    assert main(["list", *FAMILIES]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("trimmed_mean", "alie", "digits", "random_regular", "adam"))
    assert main(["doctor"]) == 0
    assert "writable" in capsys.readouterr().out


def test_the_readme_lists_everything_that_exists():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    table = readme[readme.index("<!-- what exists -->") :]
    for entry in catalogue().values():
        if entry.family != "optimizers":
            assert f"`{entry.name}`" in table, f"{entry.family}: {entry.name} is missing from the README's table"


def test_a_network_without_an_honest_node_has_a_table_and_no_warning(capsys):
    config = wrote("run.yaml", RUN.replace("byzantine: 1", "byzantine: 6").replace("f=byzantine", "f=1"))
    assert main(["run", config, "--out", "here"]) == 0
    assert "nan" not in capsys.readouterr().out
