"""Programs that the package runs itself are compiled for wide vectors, and run inside other programs too."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax import _compiled
from ghostjax._compiled import compiled


X = jnp.asarray(np.random.default_rng(0).normal(size=(5, 7)), jnp.float32)


@pytest.fixture
def asked(monkeypatch):
    """The options that each compiled program was given."""
    seen = []
    plain = eqx.filter_jit

    def watched(fun, **options):
        seen.append(options.get("compiler_options"))
        return plain(fun, **options)

    monkeypatch.setattr(_compiled.eqx, "filter_jit", watched)
    return seen


def double(x):
    return 2 * x


def test_a_program_is_compiled_with_the_options_of_the_backend(asked):
    doubled = compiled(double)
    assert jnp.array_equal(doubled(X), 2 * X)
    assert asked == [None, gj.compiler_options()]
    assert jnp.array_equal(doubled(X + 1), 2 * X + 2)
    assert len(asked) == 2


@pytest.mark.parametrize("constant", (False, True))
def test_inside_another_program_the_outer_one_decides(asked, constant):
    """jax refuses options of any jit but the outermost, also where all arguments are constants."""
    doubled = compiled(double)
    outer = jax.jit(lambda x: doubled(X if constant else x) + x)
    assert jnp.array_equal(outer(X), 3 * X)
    assert jnp.array_equal(jax.vmap(doubled)(X), 2 * X)
    assert jnp.array_equal(jax.grad(lambda x: doubled(x).sum())(X), jnp.full_like(X, 2))
    assert asked == [None]


def test_a_donated_state_is_given_back(asked):
    step = compiled(lambda constant, state: state + constant, donate="all-except-first")
    state = X + 0
    assert jnp.array_equal(step(X, state), 2 * X)
    assert state.is_deleted() and not X.is_deleted()


def test_long_messages_are_aggregated_inside_a_compiled():
    x = jnp.tile(X, (1, 2**18))
    rule = gj.aggregators.TrimmedMean(f=1)
    assert jnp.array_equal(rule(x), jax.jit(lambda: rule(x))())


def test_a_width_set_by_the_user_stays(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"--{_compiled.VECTOR_WIDTH}=128")
    assert gj.compiler_options() == {}


def test_only_the_cpu_has_options(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert gj.compiler_options() == {}


def test_the_kernels_do_not_depend_on_the_width():
    rule = gj.aggregators.TrimmedMean(f=1)
    lowered = jax.jit(lambda x: rule(x)).lower(X)
    a, b = lowered.compile(), lowered.compile(compiler_options=gj.compiler_options())
    assert jnp.array_equal(a(X), b(X))
