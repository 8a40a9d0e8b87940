"""Stopping at any moment and continuing to the same bits; refusing what does not fit."""

import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ghostjax as gj
from ghostjax._files import write_atomic
from ghostjax._run import _provenance, checkpoint_status
from ghostjax._run._archive import CorruptFile, pack, unpack
from ghostjax._run._signals import Interruption

from .run_problem import checkpoint, same, simulation


ROOT = Path(__file__).parents[2]


class Stop(Exception):
    pass


def stop_at(round):
    def progress(done, total, latest):
        if done >= round:
            raise Stop

    return progress


def play(directory, rounds=12, key=5, sim=None, **kwargs):
    sim = simulation() if sim is None else sim
    kwargs = {"chunk": 2, "checkpoint_seconds": 0, "progress": None, **kwargs}
    return gj.simulate(sim, rounds, key, directory=directory, **kwargs)


def crash(directory, at=8, **kwargs):
    """Leaves checkpoints behind as a crash would."""
    with pytest.raises(Stop):
        play(directory, progress=stop_at(at), **kwargs)


def test_continues_to_the_same_bits(tmp_path):
    crash(tmp_path)
    status = checkpoint(tmp_path)
    assert 0 < status.round < 12 and not status.finished
    assert len(list(tmp_path.glob("checkpoint-*.npz"))) == 2
    run = play(tmp_path, chunk="auto")
    same(run, gj.simulate(simulation(), 12, 5, progress=None))
    assert checkpoint(tmp_path).finished
    same(gj.load_run(tmp_path, simulation()), run)


@pytest.mark.parametrize("factory", [optax.lamb, pytest.param(optax.lars, marks=pytest.mark.slow)])
def test_memories_by_layer_survive_of_every_node_and_of_the_server(tmp_path, factory):
    optimizer = gj.Optimizer(factory, learning_rate=0.1, weight_decay=0.01)
    examples = np.random.default_rng(0).standard_normal((12, 3))
    model = gj.tasks.models.MLP((3, 4, 2))
    task = gj.tasks.from_arrays(examples, np.arange(12) % 2, model, lambda y: gj.tasks.partition.iid(y, 3))
    learner = gj.learners.LocalSteps(optimizer, 2, persistent=True)
    sim = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean(), optimizer), learner=learner)
    crash(tmp_path, at=4, rounds=6, sim=sim)
    arrays, _ = unpack(checkpoint(tmp_path).path)
    kept = [array.shape for name, array in arrays.items() if name.startswith("state")]
    assert (3, 3, 4) in kept and (3, 4) in kept, "a memory of each node and one of the server, by layer"
    same(play(tmp_path, rounds=6, sim=sim), gj.simulate(sim, 6, 5, progress=None))


def test_a_finished_run_is_read_and_not_played(tmp_path):
    run, seen = play(tmp_path), []
    same(play(tmp_path, progress=lambda *args: seen.append(args)), run)
    assert not seen
    play(tmp_path, key=6, resume=False, progress=lambda *args: seen.append(args))
    assert seen


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_corrupt_checkpoint_is_set_aside_and_the_one_before_used(tmp_path, damage):
    crash(tmp_path)
    *_, before, last = sorted(tmp_path.glob("checkpoint-*.npz"))
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes({"truncated": content[: len(content) // 2], "flipped": content, "empty": b""}[damage])
    with pytest.warns(UserWarning, match=r"checksum .* kept as .*\.corrupt"):
        assert checkpoint(tmp_path).path == before
    assert last.with_name(last.name + ".corrupt").exists()
    same(play(tmp_path), gj.simulate(simulation(), 12, 5, progress=None))


def test_all_corrupt_means_from_the_start(tmp_path):
    crash(tmp_path)
    for path in tmp_path.glob("checkpoint-*.npz"):
        path.write_bytes(b"no")
    with pytest.warns(UserWarning, match="checksum"):
        same(play(tmp_path), gj.simulate(simulation(), 12, 5, progress=None))


def test_another_run_is_refused_and_the_difference_named(tmp_path):
    crash(tmp_path)
    for match, kwargs in [
        (r"protocol\.aggregator\.f: 1\.0 -> 2\.0", {"sim": simulation(f=2.0)}),
        (r"key\.key\[1\]: 5 -> 6", {"key": 6}),
        (r"participation: null -> ", {"participation": np.full(6, 0.5)}),
        (r"protocol\.aggregator: TrimmedMean -> Mean", {"sim": simulation(rule=gj.aggregators.Mean())}),
    ]:
        with pytest.raises(gj.ConfigurationError, match=match):
            play(tmp_path, **kwargs)


def test_a_checkpoint_of_another_version_is_refused_by_name(tmp_path):
    crash(tmp_path)
    for path in tmp_path.glob("checkpoint-*.npz"):
        arrays, manifest = unpack(path)
        del manifest["participation"]
        path.write_bytes(pack(arrays, manifest | {"schema": 0}))
    with pytest.raises(gj.ConfigurationError, match=r"directory=.*: checkpoint-.* another layout .*resume=False"):
        play(tmp_path)


def test_what_another_worker_has_moved_is_no_error(tmp_path, monkeypatch):
    crash(tmp_path)
    for path in tmp_path.glob("checkpoint-*.npz"):
        path.write_bytes(b"no")

    def moved(path, aside):
        os.rename(path, aside)
        raise FileNotFoundError

    monkeypatch.setattr("ghostjax._run._archive.os.replace", moved)
    assert checkpoint_status(tmp_path) is None
    ghost = tmp_path / "checkpoint-00000009.npz"
    ghost.symlink_to(tmp_path / "gone")  # listed, and not there when it is read
    assert checkpoint_status(tmp_path) is None


def test_a_damaged_result_is_refused_in_one_line(tmp_path):
    play(tmp_path)
    whole = (tmp_path / "results.nc").read_bytes()
    for damaged in (b"", whole[:1000], whole[:-2000]):
        (tmp_path / "results.nc").write_bytes(damaged)
        with pytest.raises(
            gj.ConfigurationError, match=r"load_run: directory=.*results\.nc .*checksum does not fit.*again"
        ) as caught:
            gj.load_run(tmp_path)
        assert "\n" not in str(caught.value)
    same(play(tmp_path), gj.load_run(tmp_path, simulation()))


def test_a_disk_that_is_full_costs_no_bit(tmp_path, monkeypatch):
    full = {"now": False}

    def fsync(number):
        if full["now"]:
            raise OSError(28, "No space left on device")

    def filling(done, total, latest):
        full["now"] = done >= 6

    with monkeypatch.context() as patch:
        patch.setattr("ghostjax._files.os.fsync", fsync)
        with pytest.raises(OSError, match="No space left"):
            play(tmp_path, progress=filling)
    assert 0 < checkpoint(tmp_path).round <= 6
    assert not list(tmp_path.glob(".*")), "nothing half written is left"
    same(play(tmp_path), gj.simulate(simulation(), 12, 5, progress=None))


def test_stopped_while_it_compiles_nothing_is_played_and_nothing_lost(tmp_path, monkeypatch):
    from ghostjax._run import _simulate

    begin = _simulate.begin

    def compiling(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return begin(*args)

    with monkeypatch.context() as patch:
        patch.setattr(_simulate, "begin", compiling)
        run = play(tmp_path)
    assert run.result is gj.RunResult.interrupted and run.rounds == 0
    same(play(tmp_path), gj.simulate(simulation(), 12, 5, progress=None))


def test_another_layout_is_refused_and_other_versions_warn(tmp_path, monkeypatch):
    crash(tmp_path)
    environment = _provenance.environment
    change = lambda **new: monkeypatch.setattr(
        "ghostjax._run._simulate.environment", lambda *placed: environment(*placed) | new
    )
    change(device="abacus")
    with pytest.raises(gj.ConfigurationError, match=r"device: .* -> abacus.*allow_layout_change=True"):
        play(tmp_path)
    crash(tmp_path, at=10, allow_layout_change=True)
    change(numpy="0.0")
    with pytest.warns(UserWarning, match=r"numpy: .* -> 0\.0"):
        play(tmp_path, allow_layout_change=True)


def test_archives_keep_every_dtype(tmp_path):
    arrays = {
        "key": jax.random.key(3),
        "rbg": jax.random.key(3, impl="rbg"),
        "half": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3),
        "eight": jnp.ones(3, jnp.float8_e4m3fn),
        "flag": np.array(True),
        "none": np.zeros((0, 4)),
        "back": np.arange(6.0).reshape(2, 3).T,
        "with['odd']/name": np.arange(3),
    }
    content = pack(arrays, {"a": 1})
    assert content == pack(arrays, {"a": 1}), "equal content, equal bytes"
    write_atomic(tmp_path / "deep" / "a.npz", content)
    back, manifest = unpack(tmp_path / "deep" / "a.npz")
    assert manifest == {"a": 1}
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and back[name].shape == array.shape
        if name in ("key", "rbg"):
            assert jax.random.key_impl(back[name]) == jax.random.key_impl(array)
            array, back[name] = jax.random.key_data(array), jax.random.key_data(back[name])
        np.testing.assert_array_equal(np.asarray(array, float), np.asarray(back[name], float))
    with np.load(tmp_path / "deep" / "a.npz") as file:
        np.testing.assert_array_equal(file["back"], arrays["back"])
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.npz"]


def test_every_flipped_byte_is_noticed(tmp_path):
    content, path = pack({"x": np.arange(4.0)}, {}), tmp_path / "a.npz"
    for position in range(0, len(content), 7):
        broken = bytearray(content)
        broken[position] ^= 4
        path.write_bytes(broken)
        with pytest.raises(CorruptFile):
            unpack(path)


def test_handlers_are_put_back_and_left_alone_elsewhere():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
    assert signal.getsignal(signal.SIGTERM) is before
    seen = []

    def elsewhere():
        with Interruption() as interruption:
            seen.append((interruption.requested, signal.getsignal(signal.SIGTERM) is before))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [(False, True)]


def test_a_signal_ends_the_chunk_and_saves(tmp_path):
    def ask(done, total, latest):
        if done == 4:
            os.kill(os.getpid(), signal.SIGUSR1)

    run = play(tmp_path, checkpoint_seconds=1e9, progress=ask)
    assert run.result is gj.RunResult.interrupted and not run.result.ok
    assert 4 <= run.rounds < 12 and checkpoint(tmp_path).round == run.rounds
    assert not (tmp_path / "results.nc").exists()
    same(play(tmp_path), gj.simulate(simulation(), 12, 5, progress=None))


def start(directory, rounds, chunk=2):
    command = [sys.executable, "-m", "tests.run.worker", str(directory), str(rounds), str(chunk)]
    # What one process has compiled, the next one reads.
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(directory.with_name("cache")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | cache
    )


def wait_for(process, line):
    assert process.stdout is not None and process.stderr is not None
    for text in process.stdout:
        if text.strip() and int(text.split()[0]) >= line:
            return
    raise AssertionError(process.stderr.read())


def test_killed_and_terminated_at_any_moment(tmp_path):
    directory = tmp_path / "run"
    draw = random.Random(4)
    rounds = 60
    for at, how in ((2, signal.SIGKILL), (draw.randrange(10, 30), signal.SIGKILL), (30, signal.SIGTERM)):
        process = start(directory, rounds)
        wait_for(process, at)
        process.send_signal(how)
        out, err = process.communicate()
        if how == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 75, err
            assert "interrupted" in out
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing half written may ever be seen
        assert 30 - 4 <= checkpoint(directory).round < rounds
        same(play(directory, rounds=rounds), gj.simulate(simulation(), rounds, 5, progress=None))
