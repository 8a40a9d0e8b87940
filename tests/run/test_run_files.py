"""The folder of a run: sealed, continued to more rounds, checked before the first one, never of another program."""

import pathlib
import shutil
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import _files
from ghostjax._run import _dataset
from ghostjax._run._archive import CorruptFile, pack, unpack
from ghostjax._run._program import program_digest
from ghostjax._run._seal import read_seal, write_sealed

from .run_problem import checkpoint, same, simulation


class Stop(Exception):
    pass


def play(directory, rounds=6, sim=None, **kwargs):
    kwargs = {"key": 5, "chunk": 2, "checkpoint_seconds": 0, "progress": None, **kwargs}
    return gj.simulate(simulation() if sim is None else sim, rounds, directory=directory, **kwargs)


def crash(directory, at, **kwargs):
    def stop(done, total, latest):
        if done >= at:
            raise Stop

    with pytest.raises(Stop):
        play(directory, progress=stop, **kwargs)


@pytest.fixture(scope="module")
def whole():
    """The run that nothing happened to."""
    return gj.simulate(simulation(), 12, 5, chunk=2, progress=None)


@pytest.fixture(scope="module")
def _crashed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crashed")
    crash(folder, at=8, rounds=12)
    return folder


@pytest.fixture
def crashed(_crashed, tmp_path):
    """A folder as a crash in round 8 of 12 leaves it."""
    return shutil.copytree(_crashed, tmp_path / "run")


def small(*metrics):
    """A simulation that is traced in a moment."""
    return simulation(rule=gj.aggregators.Mean(), attack=gj.attacks.NoAttack(), byzantine=0, metrics=metrics)


def one_line(caught):
    assert "\n" not in str(caught.value)


# What belongs together


def test_any_changed_byte_of_a_seal_is_noticed(tmp_path):
    write_sealed(tmp_path, {"a": b"1", "b": b"2"}, {"kind": "run"})
    assert read_seal(tmp_path).about == {"kind": "run"}
    content = (tmp_path / "seal.json").read_bytes()
    for position in range(0, len(content), 3):
        broken = bytearray(content)
        broken[position] ^= 1
        (tmp_path / "seal.json").write_bytes(broken)
        with pytest.raises(CorruptFile):
            read_seal(tmp_path)


def test_the_record_of_one_seed_never_meets_the_model_of_another(tmp_path, monkeypatch, whole):
    play(tmp_path / "a")
    play(tmp_path / "b", key=6)
    for name in ("final.npz", "results.nc", "seal.json"):
        old = (tmp_path / "a" / name).read_bytes()
        (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
        with pytest.raises(gj.ConfigurationError, match=r"not the file that was sealed.*again") as caught:
            gj.load_run(tmp_path / "a")
        one_line(caught)
        (tmp_path / "a" / name).write_bytes(old)
    replace = _files.os.replace

    def dies(draft, path):
        if pathlib.Path(path).name == "results.nc":
            raise Stop
        replace(draft, path)

    with monkeypatch.context() as patch:
        patch.setattr(_files.os, "replace", dies)
        with pytest.raises(Stop):
            play(tmp_path / "a", key=6, resume=False)
    with pytest.raises(gj.ConfigurationError, match=r"it needs results\.nc, final\.npz and seal\.json"):
        gj.load_run(tmp_path / "a")
    same(play(tmp_path / "a", key=6), gj.load_run(tmp_path / "b", simulation()))


def test_bytes_that_were_not_compared_never_reach_hdf5(tmp_path, monkeypatch):
    play(tmp_path)
    content = bytearray((tmp_path / "results.nc").read_bytes())
    content[1000:1512] = bytes(512)
    (tmp_path / "results.nc").write_bytes(content)
    monkeypatch.setattr("ghostjax._run._load.dataset_of", lambda content: pytest.fail("read"))
    with pytest.raises(gj.ConfigurationError, match="checksum"):
        gj.load_run(tmp_path)


def test_another_simulation_is_refused_although_its_shapes_fit(tmp_path):
    play(tmp_path)
    with pytest.raises(gj.ConfigurationError, match=r"load_run: simulation=.*aggregator\.f: 1\.0 -> 2\.0") as caught:
        gj.load_run(tmp_path, simulation(f=2.0))
    one_line(caught)
    assert gj.load_run(tmp_path).simulation is None


def test_drafts_of_killed_writers_go_and_those_of_living_ones_stay(tmp_path, monkeypatch):
    host, me = _files._host(), _files.process_start(_files.os.getpid())
    gone = [f".a.{host}-4194300-17-00000000.tmp", f".a.{host}-{_files.os.getpid()}-17-00000000.tmp"]
    stay = [f".a.{host}-{_files.os.getpid()}-{me}-00000000.tmp", ".a.ffffffff-1-1-00000000.tmp", ".theirs.tmp"]
    for name in (*gone, *stay):
        (tmp_path / name).write_bytes(b"")
    play(tmp_path)
    assert {path.name for path in tmp_path.glob(".*")} == set(stay)
    _files.os.utime(tmp_path / stay[1], (0, 0))
    _files.remove_drafts(tmp_path)
    assert {path.name for path in tmp_path.glob(".*")} == {stay[0], stay[2]}


@pytest.mark.parametrize(
    "change",
    [
        lambda plain, arrays: plain.pop("rounds"),
        lambda plain, arrays: plain.update(rounds=0),
        lambda plain, arrays: plain.update(start=True),
        lambda plain, arrays: plain.update(participation={"kind": "os.system"}),
        lambda plain, arrays: plain.update(participation="stake"),
        lambda plain, arrays: arrays.pop("participation.weights"),
        lambda plain, arrays: arrays.update({"participation.weights": np.full(6, np.nan)}),
    ],
)
def test_a_sealed_run_of_odd_content_is_refused_in_one_line(tmp_path, change):
    play(tmp_path, 2, participation=np.array([1, 1, 0, 1, 1, 1]))
    arrays, manifest = unpack(tmp_path / "final.npz")
    change(manifest["training"], arrays)
    seal = read_seal(tmp_path)
    contents = {"final.npz": pack(arrays, manifest), "results.nc": (tmp_path / "results.nc").read_bytes()}
    write_sealed(tmp_path, contents, seal.about)
    with pytest.raises(gj.ConfigurationError, match=r"load_run: directory=.*do not hold a training.*again") as caught:
        gj.load_run(tmp_path, simulation())
    one_line(caught)
    assert gj.load_run(tmp_path).rounds == 2


# More rounds


def test_more_rounds_have_the_bits_of_a_longer_run(tmp_path, whole):
    play(tmp_path, 6)
    same(play(tmp_path, 12), whole)
    same(gj.load_run(tmp_path, simulation()), whole)
    crash(tmp_path / "b", at=4, rounds=6)
    same(play(tmp_path / "b", 12), whole)
    with pytest.raises(
        gj.ConfigurationError, match=r"rounds=7: .* holds 12 rounds already; give at least 12"
    ) as caught:
        play(tmp_path, 7)
    one_line(caught)


def test_a_run_extends_itself(tmp_path, whole):
    short = gj.simulate(simulation(), 6, 5, chunk=2, progress=None)
    longer = short.extend(rounds=12, chunk=2, progress=None)
    same(longer, whole)
    assert longer.provenance["rounds"] == 12 and short.rounds == 6
    play(tmp_path)
    same(gj.load_run(tmp_path, simulation()).extend(12, chunk=2, progress=None), whole)
    assert checkpoint(tmp_path).finished
    with pytest.raises(gj.ConfigurationError, match=r"Run.extend: rounds=5: 6 are played"):
        short.extend(5)
    with pytest.raises(gj.ConfigurationError, match=r"load_run\(directory, simulation\)"):
        gj.load_run(tmp_path).extend(20)


def test_participation_of_fixed_length_is_given_anew(tmp_path):
    rows = np.ones((12, 6), np.float32)
    rows[3, 1], rows[9, 2] = 0, 2
    longer = gj.simulate(simulation(), 12, 5, participation=rows, chunk=2, progress=None)
    run = play(tmp_path, participation=rows[:6])
    short = gj.simulate(simulation(), 6, 5, participation=rows[:6], chunk=2, progress=None)
    for refuse in (
        lambda: run.extend(12),
        lambda: play(tmp_path, 12, participation=rows[:6]),
        lambda: short.extend(12),
    ):
        with pytest.raises(gj.ConfigurationError, match=r"participation=.*one row per round") as caught:
            refuse()
        one_line(caught)
    for refuse in (lambda: play(tmp_path, 12, participation=rows[::-1]), lambda: play(tmp_path, 12)):
        with pytest.raises(gj.ConfigurationError, match="participation"):
            refuse()
    with pytest.raises(gj.ConfigurationError, match="that were played"):
        short.extend(12, participation=rows[::-1])
    same(short.extend(12, participation=rows, chunk=2, progress=None), longer)
    same(play(tmp_path, 12, participation=rows), longer)


# Before the first round


def refused_unplayed(match, **kwargs):
    seen = []
    with pytest.raises(gj.ConfigurationError, match=match) as caught:
        play(kwargs.pop("directory"), progress=lambda *args: seen.append(args), **kwargs)
    one_line(caught)
    assert not seen


def test_config_is_plain_data(tmp_path):
    given = {
        "lr": np.float32(0.1), "n": np.int64(3), "at": pathlib.Path("a/b"), "shape": (2, 3), "flag": np.bool_(True),
        "w": np.arange(3.0), "jax": jnp.ones(2), "deep": {"x": [np.float16(0.5), None, "a/\0"]}, 3: "three",
    }  # fmt: skip
    plain = {
        "lr": 0.1, "n": 3, "at": "a/b", "shape": [2, 3], "flag": True, "w": [0.0, 1.0, 2.0], "jax": [1.0, 1.0],
        "deep": {"x": [0.5, None, "a/\0"]}, "3": "three",
    }  # fmt: skip
    assert play(tmp_path, config=given).provenance["config"] == plain
    assert gj.load_run(tmp_path).provenance["config"] == plain


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("config", ["text", [1], {"f": len}, {"a": {1, 2}}, {1: 0, "1": 1}, {"a": 10**5000}, {"z": 1j}])
def test_config_that_is_no_data_is_refused(tmp_path, config):
    refused_unplayed("simulate: config", directory=tmp_path / "new", config=config)
    assert not (tmp_path / "new").exists()


def test_config_that_holds_itself_is_refused(tmp_path):
    loop: dict = {}
    loop["again"] = loop
    refused_unplayed("nested deeper", directory=tmp_path, config=loop)


class Named(gj.metrics.AbstractMetric):
    """Records under any names."""

    names: tuple = ()

    def __call__(self, round):
        return {name: round.losses.mean() for name in self.names}


def test_names_with_slashes_are_kept(tmp_path):
    names = ("test/accuracy", "50%", "%2F", "a\0b", "ä ö")
    run = play(tmp_path, 2, small(Named(names)))
    back = gj.load_run(tmp_path)
    assert set(names) < back.record.keys() and back.dataset.identical(run.dataset)
    piece, _ = checkpoint(tmp_path).manifest["record"]
    assert unpack(tmp_path / piece)[0].keys() == run.record.keys()


def test_names_that_cannot_be_stored_are_refused(tmp_path):
    refused_unplayed("simulate: metrics=name", directory=tmp_path, sim=small(Named(("x" * 300,))))
    for name in ("", ".", " a", "\ud800", 3):
        with pytest.raises(gj.ConfigurationError, match="simulate: metrics=name"):
            _dataset._check_name(name)


class Shaped(gj.metrics.AbstractMetric):
    """Declares one dimension of two sizes."""

    dims = {"two": ("thing",), "three": ("thing",)}

    def __call__(self, round):
        return {"two": round.losses[:2], "three": round.losses[:3]}


def test_dimensions_that_do_not_fit_are_refused(tmp_path):
    refused_unplayed("dimension 'thing' of", directory=tmp_path, sim=small(Shaped()))


def test_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run = play("~/runs/a", 2)
    same(gj.load_run("~/runs/a", simulation()), run)
    assert (tmp_path / "runs" / "a" / "seal.json").exists() and checkpoint("~/runs/a").round == 2
    assert run.save(pathlib.Path("~/b")) == tmp_path / "b"


@pytest.mark.usefixtures("as_users_run")
def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below" / "deep", "", "a\0b", 3, "/proc/nowhere/x"):
        refused_unplayed("simulate: directory=", directory=directory)
    with pytest.raises(gj.ConfigurationError, match=r"Run\.save: directory=.*is a file"):
        gj.simulate(simulation(), 2, chunk=2, progress=None).save(tmp_path / "file")


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    "kwargs",
    [
        {"chunk": 2.5}, {"chunk": True}, {"chunk": "2"}, {"chunk": None}, {"checkpoint_seconds": "30"},
        {"checkpoint_seconds": -1}, {"checkpoint_seconds": np.nan}, {"rounds": 2.0}, {"rounds": 10**18},
        {"resume": "no"}, {"allow_layout_change": 1}, {"progress": 3}, {"progress": True},
    ],
)  # fmt: skip
def test_arguments_of_another_kind_are_refused(tmp_path, kwargs):
    with pytest.raises(gj.ConfigurationError, match=f"simulate: {next(iter(kwargs))}=") as caught:
        gj.simulate(simulation(), **{"rounds": 2, "directory": tmp_path / "new", **kwargs})
    one_line(caught)
    assert not (tmp_path / "new").exists()


# Bytes and odd checkpoints


def test_bytes_written_grow_with_the_rounds_and_not_with_their_square(tmp_path, monkeypatch):
    written = []
    write = _files.os.write
    monkeypatch.setattr(
        _files.os, "write", lambda handle, content: (written.append(len(content)), write(handle, content))[1]
    )
    totals = []
    for rounds in (10, 20, 40):
        written.clear()
        gj.simulate(
            simulation(), rounds, chunk=2, directory=tmp_path / str(rounds), checkpoint_seconds=0, progress=None
        )
        totals.append(sum(written))
    first, second = totals[1] - totals[0], totals[2] - totals[1]
    assert second < 2.2 * first


def forged(directory, change):
    """The newest checkpoint sealed again after `change(arrays, manifest)`."""
    path = checkpoint(directory).path
    arrays, manifest = unpack(path)
    change(arrays, manifest)
    path.write_bytes(pack(arrays, manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda a, m: m.update(round=9),
        lambda a, m: m.update(round="4"),
        lambda a, m: m.update(rounds=3),
        lambda a, m: m.pop("simulation"),
        lambda a, m: m.update(environment=[]),
        lambda a, m: m.update(record=["../../etc/passwd", "0" * 64]),
        lambda a, m: m.update(record=None),
        lambda a, m: m.update(record=[["record-00000000-00000004-000000000000.npz"], 3]),
        lambda a, m: a.clear(),
        lambda a, m: a.update({"state.protocol.theta": np.full_like(a["state.protocol.theta"], np.nan)}),
        lambda a, m: a.update({"state.round": np.array("four")}),
    ],
)
def test_a_sealed_checkpoint_of_odd_content_is_set_aside(crashed, change):
    before = sorted(crashed.glob("checkpoint-*"))[0]
    forged(crashed, change)
    with pytest.warns(UserWarning, match=r"kept as .*\.corrupt") as said:
        assert checkpoint(crashed).path == before
    assert "\n" not in str(said[0].message)


def test_a_checkpoint_that_is_a_folder_or_ends_nowhere(crashed, whole):
    tmp_path = crashed
    last = checkpoint(tmp_path).path
    last.unlink()
    last.mkdir()
    (last / "inside").write_text("")
    last.with_name(last.name + ".corrupt").mkdir()
    (last.with_name(last.name + ".corrupt") / "inside").write_text("")
    (tmp_path / "checkpoint-00000099.npz").symlink_to("/dev/zero")
    with pytest.warns(UserWarning, match=r"no plain file.*kept as .*\.corrupt"):
        same(play(tmp_path, 12), whole)


def test_a_damaged_piece_of_the_record_costs_rounds_and_no_bit(crashed, whole):
    tmp_path = crashed
    first = sorted(tmp_path.glob("record-*"))[0]
    first.write_bytes(first.read_bytes()[:-5])
    with pytest.warns(UserWarning, match="a piece of its record, is damaged"):
        same(play(tmp_path, 12), whole)


# The program that runs

USERS = """
import jax
import ghostjax as gj
TABLE = jax.numpy.arange(3.0)
SCALE = 1.0
def helper(x):
    return SCALE * x.sum()
class Base(gj.metrics.AbstractMetric):
    def seen(self, x):
        return helper(x) + TABLE.sum()
class Mine(Base):
    def __call__(self, round):
        jax.debug.callback(print_nothing, round.losses.sum())
        return {"mine": self.seen(round.messages)}
def print_nothing(x):
    pass
"""


def users(text=USERS):
    """The simulation of a user's file that holds `text`."""
    names: dict = {"__name__": "users_file"}
    exec(compile(textwrap.dedent(text), "users_file.py", "exec"), names)
    return small(names["Mine"]())


def test_the_digest_is_of_the_program():
    key = jax.random.key(0)
    first = program_digest(users(), key)
    assert first == program_digest(users())
    assert first == program_digest(users(USERS + "\nUNUSED = 3"))
    for old, new in [
        ("return SCALE * x.sum()", "return x.mean()"),
        ("SCALE = 1.0", "SCALE = 2.0"),
        ("arange(3.0)", "arange(3.0) + 1"),
        ("helper(x) +", "helper(x) -"),
        ("    pass", "    return"),
    ]:
        assert (program_digest(users(USERS.replace(old, new))) != first) == (new != "    return"), new
    assert program_digest(simulation(f=2.0, lr=0.3)) == program_digest(simulation()) != program_digest(simulation(n=7))


def test_a_changed_helper_is_not_continued(tmp_path):
    play(tmp_path, 2, users())
    changed = users(USERS.replace("SCALE = 1.0", "SCALE = 2.0"))
    for rounds in (2, 4):  # finished, and with more to do
        with pytest.raises(
            gj.ConfigurationError, match=r"simulate: directory=.*program .* has changed.*resume=False"
        ) as caught:
            play(tmp_path, rounds, changed)
        one_line(caught)
    play(tmp_path, 2, users())


def test_another_version_that_traces_otherwise_is_refused(crashed):
    tmp_path = crashed
    forged(tmp_path, lambda a, m: (m.update(program="another"), m["environment"].update(jax="0.0")))
    with pytest.warns(UserWarning), pytest.raises(gj.ConfigurationError, match=r"jax: 0\.0.*allow_layout_change=True"):
        play(tmp_path, 12)
    with pytest.warns(UserWarning) as said:
        play(tmp_path, 12, allow_layout_change=True)
    assert any("another program" in str(warning.message) for warning in said)
