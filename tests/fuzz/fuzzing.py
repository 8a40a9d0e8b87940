"""Drawn tests: few examples of a fixed seed in the gate, ten times as many of the day's seed in the whole suite.

    from .fuzzing import examples

    @examples(100, seed=st.integers(0, 9), size=st.floats(1, 2))
    def test_something(tmp_path, seed, size): ...

is the test `test_something[gate]` of 100 examples and the slow test `test_something[day]` of 1,000. Parameters without
a strategy are fixtures. A failure prints the arguments that Hypothesis found; write them into `explicit=[{...}]`: they
are played first, and stay. `FUZZ_DAY=739000 pytest ...` plays the draws of another day: a failure names its day.
"""

import inspect
import os
import zlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, HealthCheck, seed, settings
from hypothesis.strategies import SearchStrategy


def examples(count: int, *, explicit: Sequence[dict[str, Any]] = (), **drawn: SearchStrategy) -> Callable:
    """A test of `count` draws in the gate, and of ten times as many in the whole suite."""

    def decorate(body: Callable) -> Callable:
        fixtures = [name for name in inspect.signature(body).parameters if name not in drawn]
        times = [pytest.param(1, id="gate"), pytest.param(10, id="day", marks=pytest.mark.slow)]

        def test(times: int, **given_by_pytest: Any) -> None:
            def one(**values: Any) -> None:
                body(**given_by_pytest, **values)

            day = int(os.environ.get("FUZZ_DAY", date.today().toordinal())) if times > 1 else 0
            case = given(**drawn)(one)
            for values in explicit:
                case = example(**values)(case)
            case = seed(zlib.crc32(body.__qualname__.encode()) + day)(case)
            quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
            limits = settings(max_examples=count * times, deadline=None, database=None, suppress_health_check=quiet)
            try:
                limits(case)()
            except BaseException as error:
                error.add_note(f"drawn on day {day}")
                raise

        test.__name__, test.__qualname__, test.__doc__ = body.__name__, body.__qualname__, body.__doc__
        test.__module__ = body.__module__
        names = ["times", *fixtures]
        parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        test.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return pytest.mark.parametrize("times", times)(test)

    return decorate
