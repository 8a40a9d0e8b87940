"""The hash of the program that runs: of the trace of a round, and so of all code that contributes to it."""

import functools
import hashlib
import re
import types
import weakref
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ghostjax._files import sha256
from ghostjax._rollout import one_step
from ghostjax._run._describe import bytecode
from ghostjax._simulation import Simulation
from ghostjax._types import Key


ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
OUTSIDE = {"cli", "report", "formal", "testing"}
"""Parts of the package that do not affect the numbers of a training."""


def program_digest(simulation: Simulation, key: Key | None = None, state: Any = None) -> str:
    """The sha256 of one round of `simulation` as it is traced now, with all constants.

    Two simulations of one structure have equal digests, for all values of knobs, key and chunk, in every process. A
    changed helper function, base class or constant of a module changes the digest if it changes the computation,
    although no description shows it. A given `state` (before any round) saves tracing `init`. The trace of the round
    is the one that the compiled program uses.

    ```python
    program_digest(cell.simulation)                  # for a cell that is read back: compare with its manifest
    program_digest(simulation, key, begin(simulation, key))
    ```
    """
    key = jax.random.key(0) if key is None else key
    state = jax.eval_shape(simulation.init, key) if state is None else state
    weights: Any = jax.ShapeDtypeStruct((simulation.num_nodes,), jax.numpy.result_type(float))
    traced = eqx.filter_make_jaxpr(one_step)(simulation, state, weights, key)[0]
    return _Digester().closed(traced)


@functools.cache
def package_source() -> str:
    """The sha256 of the package's source, without the parts that do not affect numbers."""
    root = Path(__file__).parents[1]
    files = sorted(path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in OUTSIDE)
    text = "\n".join(f"{path.relative_to(root).as_posix()} {sha256(path.read_bytes())}" for path in files)
    return sha256(text.encode())[:16]


BODIES: weakref.WeakKeyDictionary[Jaxpr, str] = weakref.WeakKeyDictionary()
"""The digest of each live jaxpr. A jaxpr never changes, and jax returns a cached trace as the same object."""


class _Digester:
    """Hashes the computation of a jaxpr: its equations in order, variables numbered by first appearance."""

    def closed(self, closed: ClosedJaxpr) -> str:
        return self.jaxpr(closed.jaxpr, closed.consts)

    def jaxpr(self, jaxpr: Jaxpr, consts: Any = ()) -> str:
        body = BODIES.get(jaxpr)
        if body is None:
            body = BODIES[jaxpr] = self._body(jaxpr)
        return sha256("\n".join([body, *(_array(const) for const in consts)]).encode())

    def _body(self, jaxpr: Jaxpr) -> str:
        places: dict[int, int] = {}
        text = hashlib.sha256()

        def name(atom: Any) -> str:
            if isinstance(atom, Literal):
                return f"{atom.aval}={_array(atom.val)}"
            return f"{places.setdefault(id(atom), len(places))}:{atom.aval}"

        def line(*parts: Any) -> None:
            text.update((" ".join(map(str, parts)) + "\n").encode())

        line("in", *map(name, [*jaxpr.constvars, *jaxpr.invars]))
        for equation in jaxpr.eqns:
            params = (f"{key}={self.param(value)}" for key, value in sorted(equation.params.items()))
            line(equation.primitive, *map(name, equation.invars), "->", *map(name, equation.outvars), *params)
        line("out", *map(name, jaxpr.outvars))
        return text.hexdigest()

    def param(self, value: Any) -> str:
        """The text of an equation's parameter, without anything that depends on the process."""
        if isinstance(value, ClosedJaxpr):
            return self.closed(value)
        if isinstance(value, Jaxpr):
            return self.jaxpr(value)
        if isinstance(value, tuple | list):
            return f"({','.join(map(self.param, value))})"
        if isinstance(value, dict):
            return f"{{{','.join(sorted(f'{key}:{self.param(one)}' for key, one in value.items()))}}}"
        if isinstance(value, np.ndarray | jax.Array):
            return _array(value)
        if isinstance(value, functools.partial):
            return f"partial({self.param(value.func)},{self.param(value.args)},{self.param(value.keywords)})"
        if isinstance(value, types.FunctionType):
            return f"{value.__module__}.{value.__qualname__}:{sha256(bytecode(value.__code__).encode())}"
        if hasattr(value, "callback_func"):
            return self.param(value.callback_func)
        if callable(value) and not isinstance(value, type):  # derivative rules: their results are traced
            return type(value).__name__
        return ADDRESS.sub("0x", str(value))


def _array(value: Any) -> str:
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    return f"{array.dtype}{list(array.shape)}{sha256(np.ascontiguousarray(array).tobytes())}"
