"""One run with its adjoint and its exact replays, shared by the tests of this folder."""

import jax
import pytest

import ghostjax as gj

from .small_training import build, ROUNDS


@pytest.fixture(scope="session")
def mean_run():
    """The simulation, its adjoint and its exact leave-one-out, computed once."""
    simulation = build()
    key = jax.random.key(1)
    return (
        simulation,
        key,
        gj.attribution.adjoint(simulation, ROUNDS, key, probes=0),
        gj.attribution.leave_one_out(simulation, ROUNDS, key),
    )
