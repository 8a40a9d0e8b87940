"""The compilation cache of the commands: damaged entries are replaced, and nobody needs a home."""

import os
import pwd
import warnings

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from ghostjax.cli import _cache, main
from ghostjax.cli._main import _one_line_warnings


@pytest.fixture
def cache(tmp_path):
    """jax's cache in a folder of its own, where every program is kept."""
    kept = {name: getattr(jax.config, name) for name in OPTIONS}
    for name, value in OPTIONS.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    compilation_cache.set_cache_dir(str(tmp_path))
    yield tmp_path
    for name, value in kept.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    jax.config.update("jax_compilation_cache_dir", None)


OPTIONS = {
    "jax_enable_compilation_cache": True,
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": 0,
}


def compiled_again():
    def mended(x):
        return 3 * x + 1

    return float(jax.jit(mended)(2.0))


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:40], lambda c: c[:60] + bytes(20) + c[80:]])
def test_a_damaged_entry_is_told_once_and_replaced(cache, capsys, damage):
    assert compiled_again() == 7
    (entry,) = cache.glob("jit_mended-*-cache")
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    with _one_line_warnings(cache):
        warnings.simplefilter("default")  # as a command runs, where no warning is an error
        assert compiled_again() == 7
        assert compiled_again() == 7
    caught = capsys.readouterr().err.splitlines()
    assert caught == [
        "ghostjax: warning: a damaged entry of the compilation cache (jit_mended) is compiled again and replaced"
    ]
    assert _cache._whole(entry)


def test_whole_entries_of_other_programs_stay(tmp_path):
    names = ["jit_a-1-cache", "jit_a-2-cache", "jit_b-1-cache", "jit_c-1-cache"]
    for name in names:
        (tmp_path / name).write_bytes(_cache.zlib.compress(b"x"))
    (tmp_path / "jit_a-1-cache").write_bytes(b"x")
    (tmp_path / "jit_c-1-cache").unlink()
    (tmp_path / "jit_c-1-cache").mkdir()
    for module in ("jit_a", "jit_c"):
        assert _cache.remove_damaged(tmp_path, f"Error reading persistent compilation cache entry for '{module}': E: e")
    assert {path.name for path in tmp_path.iterdir()} == {"jit_a-2-cache", "jit_b-1-cache"}
    assert _cache.remove_damaged(tmp_path, "something else") is None
    assert _cache.remove_damaged(None, "Error reading persistent compilation cache entry for 'jit_b': E: e") is None


def test_without_home_and_without_an_entry_of_the_user(monkeypatch, capsys, tmp_path):
    def nobody(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    assert os.path.expanduser("~") == "~"
    assert main(["list", "aggregators"]) == 0
    caught = capsys.readouterr()
    assert "trimmed_mean" in caught.out
    assert caught.err.splitlines() == [
        "ghostjax: no home folder is known, so compiled programs are not kept; XDG_CACHE_HOME names a folder for them"
    ]
    assert main(["resume", "~/somewhere"]) == 2
