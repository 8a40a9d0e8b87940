"""A round made by hand: every field is given, so that a metric is compared with a formula and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ghostjax._round import Round
from ghostjax._tree import Ravel


class Bowl:
    """A stated goal with a known gradient: `||theta - optimum||^2 / 2`, and an accuracy that falls with it."""

    def __init__(self, optimum):
        self.optimum = optimum

    def evaluate(self, params):
        loss = jnp.square(params - self.optimum).sum() / 2
        return {"loss": loss, "accuracy": 1 / (1 + loss)}


@pytest.fixture
def make_round():
    def make(x, *, w=None, byzantine=(), rule=None, mixing=None, optimum=None, index=0, graph=None, **fields):
        x = jnp.asarray(x, jnp.float32)
        n, d = x.shape
        w = jnp.ones(n) if w is None else jnp.asarray(w, jnp.float32)
        if mixing is None:
            respond = lambda m: rule(m, w) if rule is not None else (w @ m) / w.sum()
            models = jnp.zeros(d)
        else:
            respond = lambda m: jnp.asarray(mixing, jnp.float32) @ m
            models = x
        result = respond(x)
        values = {
            "index": jnp.asarray(index, jnp.int32),
            "key": jax.random.key(3),
            "task": Bowl(jnp.zeros(d) if optimum is None else jnp.asarray(optimum, jnp.float32)),
            "ravel": Ravel(jax.ShapeDtypeStruct((d,), jnp.float32)),
            "byzantine": jnp.isin(jnp.arange(n), jnp.asarray(byzantine, jnp.int32)),
            "owner": jnp.arange(n),
            "losses": jnp.arange(n, dtype=jnp.float32),
            "updates": x,
            "messages": x,
            "weights": w,
            "lost": jnp.zeros(n),
            "models": models,
            "result": result,
            "next_models": models - result if mixing is None else result,
            "outnumbered": jnp.zeros(()),
            "kappa": jnp.asarray(np.inf) if rule is None else rule.kappa(w),
            "respond": respond,
            "mixing": graph,
        }
        return Round(**(values | fields))

    return make


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
