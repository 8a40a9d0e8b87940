"""Strict settings for every test: what a careful user may switch on must not break the library."""

import os
from pathlib import Path

import jax
import pytest


jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_debug_key_reuse", True)

WHOLE = ("kernels", "perf")
"""What is about the programs themselves: always compiled as a user's are.

All else is, in the whole suite; the quick one compiles far longer than it runs, and does without the passes of LLVM,
while those of XLA run as ever.
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    flag = "jax_disable_most_optimizations"
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    quick = folder not in WHOLE and item.config.getoption("markexpr") == "not slow"
    before = jax.config.read(flag)
    jax.config.update(flag, quick)
    os.environ[flag.upper()] = str(int(quick))  # what a test starts compiles alike, or bits could differ
    try:
        return (yield)
    finally:
        jax.config.update(flag, before)
        del os.environ[flag.upper()]


@pytest.fixture
def x64():
    """float64 for the length of one test."""
    with jax.enable_x64(True):
        yield
