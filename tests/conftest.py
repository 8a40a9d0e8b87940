"""Strict settings for every test: what a careful user may switch on must not break the library."""

import gc

import jax
import jaxtyping
import pytest


jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_debug_key_reuse", True)
# Traced and compiled programs are millions of objects that stay: the default walks through them again and again.
gc.set_threshold(100_000, 20, 50)


@pytest.fixture
def x64():
    """float64 for the length of one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def as_users_run():
    """Without the type checks of the test suite, which refuse a wrong argument before the package can."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
