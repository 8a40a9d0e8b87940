"""The specifications of the repository, loaded from their folders with their manifests of golden counts."""

import functools
import importlib
import json
from pathlib import Path

import pytest

from ghostjax.formal import Program


SPECS = Path(__file__).parents[2] / "specs"
MISSION = ("admission", "robust_round", "slashing", "quorum_log", "spot_check", "gossip_log", "quarantine")
# Protocols of the code itself, and protocols with simplifications removed.
FURTHER = (
    "quorum_rounds", "slashing_unbonding", "robust_rounds", "equivocation", "admission_rewards",
    "spot_check_bisection", "gossip_proofs", "quarantine_retention", "cell_store", "checkpoint", "council",
    "ledger",
)  # fmt: skip
ALL = MISSION + FURTHER
CLASSIC = tuple(
    f"classic/{name}"
    for name in ("tcommit", "two_phase", "ewd840", "die_hard", "readers_writers", "token_ring", "coffee_can")
)


def module(name):
    return importlib.import_module(f"specs.{name.replace('/', '.')}.spec")


@functools.cache
def program(name):
    """The specification at its standard bounds, traced once for all tests."""
    return Program(module(name).spec(), "numpy")


def manifest(name):
    return json.loads((SPECS / name / "manifest.json").read_text())


def large(name):
    """A test parameter: beyond some thousand states, what takes time per state belongs to the slow tests."""
    return pytest.param(name, marks=pytest.mark.slow if manifest(name)["distinct"] > 8_000 else ())
