"""How the programs that this package runs itself are compiled."""

import functools
import os
from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from ghostjax._types import concrete


VECTOR_WIDTH = "xla_cpu_prefer_vector_width"


def compiler_options() -> dict[str, Any]:
    """Options for `jax.jit` under which the kernels run fastest on jax's default backend.

    On CPU: vectors of 512 bits, where the processor has them. LLVM prefers 256 by default, with half as many
    registers. These are too few for the sorting networks behind trimmed means and medians
    (`benchmarks/vector_width.py` prints the cost). Elsewhere, or where `XLA_FLAGS` sets the width already: none.

    **Guarantee:** results agree up to the rounding of long sums, whose order depends on the width. Processors with
    narrower vectors ignore the option. `simulate`, `sweep`, the functions of `attribution` and `rule(x, w)` on long
    messages compile with these options themselves. Your own program takes them at its outermost `jax.jit`, the only
    one that accepts options:

    ```python
    >>> import jax, jax.numpy as jnp, ghostjax as gj
    >>> rule = gj.aggregators.TrimmedMean(f=1)
    >>> jax.jit(lambda x: rule(x), compiler_options=gj.compiler_options())(jnp.array([[0.0], [1.0], [8.0]]))
    Array([1.], dtype=float32)

    ```
    """
    chosen = VECTOR_WIDTH in os.environ.get("XLA_FLAGS", "")
    return {VECTOR_WIDTH: 512} if jax.default_backend() == "cpu" and not chosen else {}


class Program:
    """`eqx.filter_jit` of a function under `compiler_options`, or without them inside another program.

    Only the outermost program may choose options, and the backend is known only when one runs.
    """

    def __init__(self, fun: Callable, donate: Literal["none", "all-except-first"]):
        functools.update_wrapper(self, fun)
        self._inside = eqx.filter_jit(fun, donate=donate)
        self._alone = functools.cache(
            lambda: eqx.filter_jit(fun, donate=donate, compiler_options=compiler_options())  # type: ignore[call-arg]
        )

    def _chosen(self, args: tuple) -> Any:
        # Inside another program the arguments may be constants of it: there this function is traced, not run.
        return self._alone() if concrete((args, jnp.zeros(()))) else self._inside

    def __call__(self, *args: Any) -> Any:
        return self._chosen(args)(*args)

    def lower(self, *args: Any) -> Any:
        """The program for these arguments before it is compiled."""
        return self._chosen(args).lower(*args)


def compiled(fun: Callable | None = None, *, donate: Literal["none", "all-except-first"] = "none") -> Any:
    """Decorates a function that the host calls: one program per structure of its arguments."""
    return functools.partial(compiled, donate=donate) if fun is None else Program(fun, donate)
