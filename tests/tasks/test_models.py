"""Every model: shapes, gradients, precision, one compilation; adapters against the native call; convolution."""

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ghostjax import ConfigurationError
from ghostjax._tree import Ravel
from ghostjax.tasks import models as M
from ghostjax.tasks.models._layers import convolve, dropout, max_pool

from ..programs import kept


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool):
        x = linen.relu(linen.Dense(6)(x))
        return linen.Dense(3)(linen.Dropout(0.5, deterministic=not train)(x))


class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(5, 6, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(nnx.relu(self.first(x))))


class EquinoxNet(eqx.Module):
    first: eqx.nn.Linear
    drop: eqx.nn.Dropout
    last: eqx.nn.Linear

    def __init__(self, key):
        a, b = jax.random.split(key)
        self.first, self.last = eqx.nn.Linear(5, 6, key=a), eqx.nn.Linear(6, 3, key=b)
        self.drop = eqx.nn.Dropout(0.5)

    def __call__(self, x, key=None):
        return self.last(self.drop(jax.nn.relu(self.first(x)), key=key))


def plain_init(key):
    return {"w": jax.random.normal(key, (5, 3))}


def plain_apply(params, x, key):
    del key
    return x @ params["w"]


def small_cnn():
    return M.CNN((8, 8, 1), (M.Conv(2, 3), M.Conv(3, 3, pool=True)), (6, 3), (0.25, 0.5))


# name: (make, shape of one example, outputs, number of parameters, whether the key matters)
TABLE = {
    "Linear": (lambda: M.Linear(5, 3), (5,), 3, 18, False),
    "MLP": (lambda: M.MLP((5, 6, 3)), (5,), 3, 57, False),
    "CNN": (small_cnn, (64,), 3, 20 + 57 + 78 + 21, True),
    "Plain": (lambda: M.Plain(plain_init, plain_apply), (5,), 3, 15, False),
    "flax_linen": (lambda: M.flax_linen(LinenNet(), jnp.zeros((1, 5))), (5,), 3, 57, True),
    "flax_nnx": (lambda: M.flax_nnx(NNXNet), (5,), 3, 57, True),
    "equinox": (lambda: M.equinox_model(EquinoxNet), (5,), 3, 57, True),
}


@pytest.mark.parametrize("name", TABLE)
def test_battery(name):
    make, shape, outputs, size, random = TABLE[name]
    model = make()
    params = jax.jit(model.init)(jax.random.key(0))
    ravel = Ravel(params)
    assert ravel.size == size
    assert jax.tree.structure(ravel.unravel(jnp.zeros(size))) == jax.tree.structure(params)
    x = jax.random.normal(jax.random.key(1), (2, *shape))

    def loss(params, x, key):
        y = model.apply(params, x, key)
        return jnp.square(y - 1).mean(), (y, model.apply(params, x, None))

    @jax.jit
    def run(params, x, key):
        (_, seen), gradient = jax.value_and_grad(loss, has_aux=True)(params, x, key)
        return *seen, ravel.ravel(gradient)

    y, still, gradient = run(params, x, jax.random.key(2))
    again, still_again, _ = run(params, x, jax.random.key(2))
    other, still_other, _ = run(params, x, jax.random.key(3))
    assert kept(run) == 1
    assert y.shape == (2, outputs) and y.dtype == jnp.float32
    np.testing.assert_array_equal(y, again)
    np.testing.assert_array_equal(still, still_again)
    np.testing.assert_array_equal(still, still_other)
    assert bool((y != other).any()) == random
    assert jnp.isfinite(gradient).all() and (gradient != 0).any()
    # A rebuilt model is the same static data, so nothing compiles again.
    assert jax.tree.structure(make()) == jax.tree.structure(model) and hash(jax.tree.structure(make()))

    # Nodes with models of their own: each row is what that model alone says.
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 0.1]), params)
    both = jax.jit(jax.vmap(lambda p: model.apply(p, x, None)))(two)
    np.testing.assert_allclose(both[0], still, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(
        both[1], run(jax.tree.map(lambda leaf: leaf[1], two), x, jax.random.key(2))[1], rtol=2e-5, atol=2e-6
    )


# Networks of the literature: shape of one example, outputs, number of parameters as published.
LITERATURE = {
    "MLP": (lambda: M.MLP((64, 64, 10)), (64,), 10, 4810),
    "cnn_digits": (M.cnn_digits, (64,), 10, 3818),
    "cnn_20_50": (M.cnn_20_50, (28, 28, 1), 10, 431080),
    "cnn_32_64": (M.cnn_32_64, (28, 28, 1), 10, 1199882),
    "cnn_32_64 letters": (lambda: M.cnn_32_64(26), (28, 28, 1), 26, 1201946),
    "cnn_cifar": (M.cnn_cifar, (32, 32, 3), 10, 545098),
}


@pytest.mark.parametrize("name", LITERATURE)
def test_sizes_of_the_literature(name):
    make, shape, outputs, size = LITERATURE[name]
    params = jax.eval_shape(make().init, jax.random.key(0))
    assert Ravel(params).size == size
    y = jax.eval_shape(make().apply, params, jax.ShapeDtypeStruct((2, *shape), jnp.float32), jax.random.key(1))
    assert y.shape == (2, outputs)


@pytest.mark.parametrize("name", ["Linear", "MLP", "CNN"])
def test_float64(name, x64):
    make, shape, _, _, _ = TABLE[name]
    model = make()
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float64")}
    y = jax.eval_shape(model.apply, params, jax.ShapeDtypeStruct((2, *shape), jnp.float64), jax.random.key(1))
    assert y.dtype == jnp.float64


def test_adapters_equal_the_native_call():
    x = jax.random.normal(jax.random.key(1), (4, 5))
    key = jax.random.key(7)
    model = M.flax_linen(LinenNet(), x)
    params = model.init(key)
    native = LinenNet()
    np.testing.assert_array_equal(model.apply(params, x, None), native.apply({"params": params}, x, train=False))
    np.testing.assert_array_equal(
        model.apply(params, x, jax.random.key(3)),
        native.apply({"params": params}, x, train=True, rngs={"dropout": jax.random.key(3)}),
    )
    jax.tree.map(np.testing.assert_array_equal, params, native.init(jax.random.key(7), x, train=False)["params"])

    model, whole = M.flax_nnx(NNXNet), NNXNet(nnx.Rngs(jax.random.key(7)))
    whole.eval()
    np.testing.assert_array_equal(model.apply(model.init(jax.random.key(7)), x, None), whole(x))

    model, module = M.equinox_model(EquinoxNet), EquinoxNet(jax.random.key(7))
    params = model.init(jax.random.key(7))
    np.testing.assert_array_equal(model.apply(params, x, None), jax.vmap(eqx.nn.inference_mode(module))(x))
    keys = jax.random.split(jax.random.key(3), 4)
    np.testing.assert_array_equal(
        model.apply(params, x, jax.random.key(3)), jax.vmap(lambda x, k: module(x, key=k))(x, keys)
    )


class LinenNorm(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool):
        return linen.BatchNorm(use_running_average=not train)(x)


def nnx_norm(rngs):
    return nnx.BatchNorm(5, rngs=rngs)


def counted(key):
    return eqx.nn.Linear(5, 3, key=key), jnp.zeros((), jnp.int32)


def test_modules_with_state_are_refused():
    with pytest.raises(ConfigurationError, match=r"flax_linen: module=LinenNorm: has variables \['batch_stats'"):
        M.flax_linen(LinenNorm(), jnp.zeros((2, 5)))
    with pytest.raises(ConfigurationError, match=r"flax_nnx: make=nnx_norm: .*'mean', 'var'"):
        M.flax_nnx(nnx_norm)
    with pytest.raises(ConfigurationError, match=r"equinox_model: make=counted: the module has 1 arrays"):
        M.equinox_model(counted)
    with pytest.raises(ConfigurationError, match="nothing is left of an image"):
        M.CNN((4, 4, 1), (M.Conv(2, 5),), (10,)).init(jax.random.key(0))


@pytest.mark.parametrize(("size", "side", "padding"), [(8, 3, 1), (7, 4, 0)])
def test_convolution_equals_xla(size, side, padding):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (3, size, size + 1, 2))
    kernel, bias = jax.random.normal(keys[1], (side, side, 3, 4)), jax.random.normal(keys[2], (4,))

    def reference(x, kernel, bias):
        pad = ((padding, padding), (padding, padding))
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), pad, dimension_numbers=("CHWN", "HWIO", "CHWN"))
        return y + bias[:, None, None, None]

    def with_gradient(f):
        return lambda *args: (f(*args), jax.grad(lambda *a: jnp.sin(f(*a)).sum(), argnums=(0, 1, 2))(*args))

    @jax.jit
    def both(*args):
        return with_gradient(lambda *a: convolve(*a, padding))(*args), with_gradient(reference)(*args)

    ours, theirs = both(x, kernel, bias)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4), ours, theirs)


def test_pool_equals_xla_and_drops_odd_edges():
    x = jax.random.normal(jax.random.key(0), (3, 7, 6, 2))
    reference = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    np.testing.assert_array_equal(max_pool(x), reference)


def test_dropout_keeps_the_mean_and_drops_whole_channels():
    x = jnp.ones((50, 4, 4, 40))
    y = dropout(x, 0.25, jax.random.key(0), axes=(0, 3))
    assert jnp.array_equal(y, jnp.broadcast_to(y[:, :1, :1], y.shape))
    assert set(np.unique(y).tolist()) == {0.0, float(np.float32(1) / np.float32(0.75))}
    # 2000 channels: six standard errors of the mean of Bernoulli(3/4) / (3/4) are 0.077.
    assert abs(float(y.mean()) - 1) < 0.078
    units = dropout(x, 0.25, jax.random.key(0))
    assert not jnp.array_equal(units, jnp.broadcast_to(units[:, :1, :1], units.shape))


def narrow(key):
    return eqx.nn.Linear(4, 3, key=key)


def failing(key):
    raise KeyError("first\nsecond")


WRONG = {
    "one size": (lambda: M.MLP((64,)), "MLP: sizes=(64,): give inputs and outputs at least"),
    "no units": (lambda: M.MLP((64, 0, 10)), "MLP: sizes=0: give a whole number of at least 1"),
    "fraction": (lambda: M.MLP((64, 2.5, 10)), "MLP: sizes=2.5: give a whole number"),
    "no tuple": (lambda: M.MLP(64), "MLP: sizes=64: give inputs"),
    "activation": (lambda: M.MLP((4, 2), "relu"), "MLP: activation='relu': give a function"),
    "inputs": (lambda: M.Linear(2.5, 3), "Linear: inputs=2.5: give a whole number"),
    "outputs": (lambda: M.Linear(2, 0), "Linear: outputs=0: give a whole number"),
    "image": (lambda: M.CNN((8, 8), (), (3,)), "CNN: shape=(8, 8): give (height, width, channels)"),
    "no classes": (lambda: M.CNN((8, 8, 1), (), ()), "CNN: dense=(): give the number of classes"),
    "conv": (lambda: M.CNN((8, 8, 1), ((3, 3),), (3,)), "CNN: convs=(3, 3): give models.Conv"),
    "too small": (lambda: M.CNN((2, 2, 1), (M.Conv(1, 3),), (3,)), "CNN: convs=Conv(channels=1"),
    "rate": (lambda: M.CNN((8, 8, 1), (), (3,), (0.0, 1.0)), "CNN: dropout=1.0: must lie in [0, 1)"),
    "linen": (lambda: M.flax_linen(linen.Conv(3, (3, 3)), jnp.zeros(())), "flax_linen: example=shape (): give a batch"),
    "linen text": (lambda: M.flax_linen(LinenNet(), "x"), "flax_linen: example='x': give a batch"),
    "nnx": (lambda: M.flax_nnx(NNXNet, (1, 4)), "flax_nnx: make=NNXNet: cannot take an example of shape (1, 4)"),
    "equinox": (lambda: M.equinox_model(narrow, (2, 5)), "equinox_model: make=narrow: cannot take an example of shape"),
    "making": (lambda: M.equinox_model(failing), "equinox_model: make=failing: cannot be made ("),
}


@pytest.mark.parametrize("name", WRONG)
def test_models_that_cannot_be_are_refused_in_one_line(name, as_users_run):
    make, words = WRONG[name]
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)


def test_examples_are_batches_or_shapes_everywhere():
    for example in ((1, 5), [1, 5], jnp.zeros((1, 5)), np.zeros((1, 5))):
        for model in (
            M.flax_linen(LinenNet(), example),
            M.flax_nnx(NNXNet, example),
            M.equinox_model(EquinoxNet, example),
        ):
            outputs = jax.eval_shape(lambda k, m=model: m.apply(m.init(k), jnp.zeros((2, 5)), None), jax.random.key(0))
            assert outputs.shape == (2, 3)


def test_a_module_of_another_shape_is_refused_by_the_task():
    import ghostjax as gj

    y = np.arange(4) % 3
    with pytest.raises(
        ConfigurationError, match=r"from_arrays: model=FlaxLinen: cannot take examples of shape \(4,\)"
    ) as caught:
        gj.tasks.from_arrays(np.zeros((4, 4)), y, M.flax_linen(LinenNet(), (1, 5)), gj.tasks.partition.iid(y, 2))
    assert "\n" not in str(caught.value)
