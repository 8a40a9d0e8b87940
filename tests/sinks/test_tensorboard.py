"""Event files, read as TensorBoard reads them."""

import json
import struct
import sys

import pytest

import ghostjax as gj

from ..run.run_problem import simulation


proto = pytest.importorskip("tensorboardX.proto.event_pb2")
masked_crc32c = pytest.importorskip("tensorboardX.record_writer").masked_crc32c


def events(directory):
    """Every event of every file, in the order of the files; a file ends where its checksums do."""
    for path in sorted(directory.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while len(content) >= 16:
            (length,) = struct.unpack("<Q", content[:8])
            assert struct.unpack("<I", content[8:12]) == (masked_crc32c(content[:8]),)
            data, tail = content[12 : 12 + length], content[12 + length :]
            if struct.pack("<I", masked_crc32c(data)) != tail[:4]:
                break
            event = proto.Event()
            event.ParseFromString(data)
            yield event
            content = tail[4:]


def curves(directory):
    """`{name: [(step, value), ...]}`; where a session starts, what was known from its step on is forgotten."""
    found = {}
    for event in events(directory):
        if event.session_log.status == proto.SessionLog.START:
            found = {name: [point for point in points if point[0] < event.step] for name, points in found.items()}
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


class Stop(Exception):
    pass


def stop_at(round):
    def progress(done, total, latest):
        if done >= round:
            raise Stop

    return progress


def play(tracked, sim=None, rounds=12, **kwargs):
    sim = simulation() if sim is None else sim
    kwargs = {"chunk": 2, "checkpoint_seconds": 0, "progress": None, "sinks": [gj.sinks.TensorBoard(tracked)], **kwargs}
    return gj.simulate(sim, rounds, 5, **kwargs)


def whole(tracked, run):
    for name, points in curves(tracked).items():
        column = run.record[name]
        assert points == [(i, pytest.approx(float(value), nan_ok=True)) for i, value in enumerate(column)], name


def test_every_scalar_by_round(tmp_path):
    run = play(tmp_path)
    assert curves(tmp_path).keys() == {name for name, column in run.record.items() if column.ndim == 1}
    whole(tmp_path, run)


def test_only_what_was_due(tmp_path):
    sim = simulation()
    sparse = gj.Simulation(sim.task, sim.protocol, metrics=[gj.metrics.Every(5, gj.metrics.Goal())])
    play(tmp_path, sparse)
    assert [step for step, _ in curves(tmp_path)["loss"]] == [0, 4, 9]


def test_each_round_once_whatever_a_crash_left(tmp_path):
    tracked, kept = tmp_path / "tracked", tmp_path / "kept"
    with pytest.raises(Stop):
        play(tracked, directory=kept, progress=stop_at(6))
    with pytest.raises(Stop):
        play(tracked, directory=kept, progress=stop_at(10), checkpoint_seconds=1e9)
    # A kill leaves a torn event, and events beyond those that the mark counts.
    last = sorted(tracked.glob("events.out.tfevents.*"))[-1]
    last.write_bytes(last.read_bytes()[:-7])
    mark = json.loads((tracked / "ghostjax.json").read_text())
    assert mark["rounds"] == 12
    (tracked / "ghostjax.json").write_text(json.dumps(mark | {"rounds": 3}))
    run = play(tracked, directory=kept)
    whole(tracked, run)
    longer = play(tracked, directory=kept, rounds=14)
    whole(tracked, longer)
    whole(
        tmp_path / "later", play(tmp_path / "later", directory=kept, rounds=16)
    )  # attached to rounds that were played


def test_the_folder_of_another_run_is_refused(tmp_path):
    play(tmp_path, rounds=2)
    with pytest.raises(gj.ConfigurationError, match=r"TensorBoard: directory=.*the events of another run"):
        play(tmp_path, simulation(f=2.0))
    (tmp_path / "ghostjax.json").unlink()
    with pytest.raises(gj.ConfigurationError, match="the events of another run"):
        play(tmp_path)
    with pytest.raises(gj.ConfigurationError, match=r"TensorBoard: directory=.*cannot be written to"):
        play("/proc/nowhere")


def test_without_the_package_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(gj.ConfigurationError, match=r"TensorBoard: .*pip install 'ghostjax\[track\]'"):
        gj.sinks.TensorBoard(tmp_path)
