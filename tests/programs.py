"""What a compiled program says of itself, where it has to say it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax


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


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """The events of compilation inside the block."""
    seen: list[str] = []

    def listen(name: str, seconds: float, **rest: Any) -> None:
        if "backend_compile" in name:
            seen.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
