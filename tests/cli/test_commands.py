"""The command line: what it writes, what it refuses, how it exits."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ghostjax as gj
from ghostjax.cli import main
from ghostjax.cli._catalogue import catalogue, FAMILIES


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
  attack: [sign_flip, alie(z=1.5)]
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
    Path("here/report.html").unlink()
    assert main(["report", "here"]) == 0
    assert Path("here/report.html").exists()
    assert main(["resume", "here"]) == 0
    assert main(["run", config, "--out", "here"]) == 2
    assert "holds another configuration (rounds: 4 -> 6" in capsys.readouterr().err


def test_sweep_shards_into_the_whole_and_shows_worst_cases(capsys):
    config = wrote("sweep.yaml", SWEEP)
    assert main(["sweep", config, "--out", "there", "--shard", "0/2"]) == 0
    assert "4 of 8 cells done" in capsys.readouterr().out
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
        (["run", "list.yaml"], "holds list; needs a mapping"),
        (["run", "broken.yaml"], "not YAML"),
        (["run", "--aggregator", "trimmed_mean(f=40)"], r"Server\(TrimmedMean\): f=40.0: .*lower f or add nodes"),
        (["run", "--byzantine", "65"], "byzantine=65: must lie between 0 and the 64 nodes"),
        (["run", "--nodes", "600", "--task", "digits(alpha=0.01)"], "dirichlet: min_size=1: .*raise alpha"),
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
    wrote("run.yaml", RUN)
    wrote("sweep.yaml", SWEEP)
    assert main(argv) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("ghostjax: ") and "\n" not in error
    assert re.search(message, error), error


def test_wrong_flags_exit_2(capsys):
    assert main(["run", "--byzantin", "3"]) == 2
    assert "--byzantine" in capsys.readouterr().err


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


@pytest.mark.slow
def test_sigterm_saves_and_exits_75_and_resume_continues():
    # A robust rule without an adversary, so that no number of rounds ends in a model that is not finite.
    config = wrote("run.yaml", RUN.replace("rounds: 6", "rounds: 5000000").replace("byzantine: 1", "byzantine: 0"))
    newest = lambda: max((path.name for path in Path("long").glob("checkpoint-*.npz")), default="")
    for arguments in (["run", config, "--out", "long"], ["resume", "long"]):
        before = newest()
        command = [sys.executable, "-m", "ghostjax.cli", *arguments]
        process = subprocess.Popen(command, env=os.environ | {"JAX_PLATFORMS": "cpu"})
        while newest() == before and process.poll() is None:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 75
        assert newest() > before
