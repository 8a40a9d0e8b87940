"""Turns participation, as a user gives it, into weights that count identities; the one place where it is checked."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from ghostjax._border import choice, whole
from ghostjax._participation._base import AbstractParticipation
from ghostjax._participation._numbers import check_sign, numbers
from ghostjax._participation.stake import stake
from ghostjax._types import ConfigurationError, Key, require


WAY_OUT = "weights count identities, 1 for one that is present; for shares write participation=gj.stake(shares)"


@dataclasses.dataclass(frozen=True, eq=False)
class Weights(AbstractParticipation):
    """Numbers as a user wrote them, `[rounds, n]` or `[n]`: counts. Numbers that look like shares are refused."""

    counts = False
    weights: np.ndarray

    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        return self.weights


def declared(participation: Any, call: str, examples: Any = None) -> AbstractParticipation | None:
    """Participation as a declaration, None for everybody; `examples` `[n]` are the numbers of examples by node."""
    if participation is None or isinstance(participation, AbstractParticipation):
        return participation
    if isinstance(participation, str):
        return _by_examples(participation, examples, call)
    return Weights(numbers(participation, call, "participation"))


def weights_of(
    participation: Any, rounds: int, n: int, call: str, examples: Any = None, key: Key | None = None
) -> np.ndarray:
    """Participation as an array `[rounds, n]` of finite weights in units of identities.

    `participation` is None (everybody, always), `[rounds, n]`, `[n]` for all rounds, what `stake`, `sampled` or `churn`
    return, or "by_examples": in proportion to `examples` `[n]`, with mean 1. `key` is the root key of the run.
    """
    rounds, dtype = whole(rounds, call, "rounds", low=1), jnp.result_type(float)
    found = declared(participation, call, examples)
    if found is None:
        return np.broadcast_to(np.ones((), dtype), (rounds, n))
    if found.drawn and key is None:
        raise ConfigurationError(f"{call}: participation={type(found).__name__}: it is drawn by the key of a run")
    given = found.rows(rounds, n, key)
    shape = given.shape
    weights = np.broadcast_to(given, (rounds, *shape)) if given.ndim == 1 else given
    require(
        weights.shape == (rounds, n),
        call,
        "participation",
        f"array of shape {shape}",
        f"give one row per round and one column per node, ({rounds}, {n}), or one row for all rounds, ({n},)",
    )
    check_sign(weights, call, "participation")
    # A receiver in gossip counts a neighbour up to n times.
    most = float(jnp.finfo(dtype).max) / n
    heaviest = float((weights.astype(float) / most).sum(1).max())
    require(
        heaviest <= 1, call, "participation", f"largest weight {weights.max():g}", f"too large to add up; {WAY_OUT}"
    )
    weights = weights.astype(dtype)
    if not found.counts:
        require_counts(weights, call)
    return weights


def require_counts(weights: np.ndarray, call: str) -> None:
    """Refuses weights that are unlikely to be counts: in every round all present identities have less than one half."""
    largest = float(weights.max(initial=0))
    require(not 0 < largest < 0.5, call, "participation", f"largest weight {largest:g}", WAY_OUT)


def as_given(participation: Any, call: str) -> Any:
    """Participation in the form that enters the name of a sweep's cell: raw weights as an array, others unchanged."""
    known = participation is None or isinstance(participation, str | AbstractParticipation)
    return participation if known else numbers(participation, call, "participation")


def _by_examples(name: str, examples: Any, call: str) -> AbstractParticipation:
    choice(name, ("by_examples",), call, "participation")
    if examples is None:
        raise ConfigurationError(
            f"{call}: participation={name!r}: this task does not count its examples per node; give weights, "
            "gj.stake(numbers of examples)"
        )
    return stake(examples)
