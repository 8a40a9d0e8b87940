"""The start of a training that continues earlier work: a trained model, or a whole state."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ghostjax._border import shown
from ghostjax._compiled import compiled
from ghostjax._round import State
from ghostjax._simulation import Simulation
from ghostjax._types import ConfigurationError, Key, require


def started(simulation: Simulation, key: Key, given: Any, call: str) -> State:
    """The state before round 0 that `given` stands for: a `State`, a flat model or a tree of parameters.

    A `State` keeps its memories (momentum, optimizer, attack), and its round becomes 0. A model takes the place of the
    one that `key` would draw, and all memories are those of `simulation.init(key)`. In gossip all nodes begin from one
    model `[d]`, or each from its row of `[n, d]`.

    Errors: `ConfigurationError` naming the first leaf whose shape or dtype differs from the simulation's.
    """
    if isinstance(given, State):
        like = jax.eval_shape(simulation.init, key)
        return _fitting(given, like, call)._replace(round=jnp.zeros((), jnp.int32))
    ravel = simulation.ravel
    like = jax.eval_shape(lambda: simulation.protocol.models(simulation.init(key).protocol))
    one = jax.ShapeDtypeStruct((ravel.size,), ravel.dtype)
    tree = jax.eval_shape(ravel.unravel, one)
    if isinstance(given, np.ndarray | jax.Array) and given.shape in (one.shape, like.shape):
        theta = jnp.asarray(given, ravel.dtype)
    elif like.ndim == 2 and _shapes(given) == _shapes(trees := jax.eval_shape(jax.vmap(ravel.unravel), like)):
        theta = jax.vmap(ravel.ravel)(_fitting(given, trees, call))
    else:
        theta = ravel.ravel(_fitting(given, tree, call))
    return _with_model(simulation, key, theta)


def _shapes(tree: Any) -> list[tuple[int, ...]]:
    return [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]


def _fitting(given: Any, like: Any, call: str) -> Any:
    """`given` with every leaf a strongly typed array, if it has the structure and shapes of `like`."""
    there, here = jax.tree.structure(given), jax.tree.structure(like)
    if there != here:
        seen = f"array of shape {jnp.shape(given)}" if isinstance(given, np.ndarray | jax.Array) else shown(type(given))
        raise ConfigurationError(
            f"{call}: state={seen}: its structure is not that of this simulation; give the state of a run of the same "
            "stages, a model [d] such as run.models, or a tree such as run.params()"
        )
    pairs = zip(jax.tree_util.tree_leaves_with_path(like), jax.tree.leaves(given), strict=True)
    return jax.tree.unflatten(here, [_leaf(jax.tree_util.keystr(path), one, want, call) for (path, want), one in pairs])


def _leaf(name: str, given: Any, like: jax.ShapeDtypeStruct, call: str) -> Array:
    shape, dtype = jnp.shape(given), jnp.result_type(given)
    require(
        (shape, dtype) == (like.shape, like.dtype), call, f"state{name}", f"{dtype}{list(shape)}",
        f"this simulation has {like.dtype}{list(like.shape)} there",
    )  # fmt: skip
    return jnp.copy(given) if jnp.issubdtype(like.dtype, jax.dtypes.extended) else jnp.asarray(given, like.dtype)


@compiled
def _with_model(simulation: Simulation, key: Key, theta: Float[Array, "*n d"]) -> State:
    return simulation.init(key, theta)
