"""What a compiled program says of itself, where it has to say it."""

from typing import Any


def memory(compiled) -> Any:
    """Bytes of arguments, results and scratch."""
    stats = compiled.memory_analysis()
    assert stats is not None, "this backend does not say what a program needs"
    return stats


def scratch(compiled) -> int:
    """Bytes beside arguments and results."""
    return memory(compiled).temp_size_in_bytes


def text(compiled) -> str:
    """The program after all passes."""
    written = compiled.as_text()
    assert written is not None, "this backend does not write a program down"
    return written


def kept(jitted: Any) -> int:
    """How many programs a function under `jax.jit` has been compiled to."""
    return jitted._cache_size()
