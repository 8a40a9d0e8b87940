"""How commands end: exit codes, signals, a reader that goes away."""

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
from ghostjax.cli._main import COMMANDS
from ghostjax.sinks._reporter import Reporter

from ..run.run_problem import checkpoint
from .test_commands import quiet_place as quiet_place, RUN, wrote


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (OSError(28, "No space left on device"), r"report: .*No space left on device; free space", 3),
        (PermissionError(13, "Permission denied", "x"), "report: x: Permission denied; free space", 3),
        (MemoryError("too much"), r"report: out of memory \(too much\); lower nodes", 3),
        (RuntimeError("a bug"), r"report: failed with the RuntimeError above", 3),
        (KeyboardInterrupt(), "interrupted$", 3),
        (gj.ConfigurationError("a: b=1: c"), "^ghostjax: a: b=1: c$", 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_end_has_its_code_and_never_that_of_a_violated_invariant(error, message, code, monkeypatch, capsys):
    def ends(argv, console):
        raise error

    monkeypatch.setitem(COMMANDS, "report", ends)
    assert main(["report"]) == code
    said = capsys.readouterr().err.strip()
    assert re.search(message, said.splitlines()[-1]), said
    assert ("Traceback" in said) == isinstance(error, RuntimeError)


def test_a_reader_that_goes_away_is_no_traceback(monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["list"]) == 3
        print("what was buffered must not fail again", flush=True)
    assert capsys.readouterr().err == ""


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


def test_a_run_that_is_stopped_says_how_to_go_on_and_does(monkeypatch, capsys):
    config = wrote("run.yaml", RUN)
    update = Reporter.update

    def stopping(self, done, record=None):
        update(self, done, record)
        if done == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "update", stopping)
        assert main(["run", config, "--out", "here"]) == 75
    assert "continue with: ghostjax resume here" in capsys.readouterr().out
    assert 1 <= checkpoint("here").round < 6
    assert main(["report", "here"]) == 2
    assert "its run is not finished: ghostjax resume here" in capsys.readouterr().err
    assert main(["resume", "here"]) == 0
    assert main(["run", config, "--out", "whole"]) == 0
    assert gj.load_run("here").dataset.drop_attrs().equals(gj.load_run("whole").dataset.drop_attrs())


def test_stopped_before_anything_was_saved(monkeypatch, capsys):
    def never(*args):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("ghostjax.cli._commands.simulation", never)
    assert main(["run", wrote("run.yaml", RUN)]) == 75
    assert "interrupted; the same command continues" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
