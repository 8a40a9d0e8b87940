"""The decorator of drawn tests: how many draws there are, and which."""

import pytest
from hypothesis import strategies as st

from .fuzzing import examples


def draws(count, times, **options):
    seen = []

    @examples(count, number=st.integers(0, 10**9), **options)
    def test_numbers(beside, number):
        seen.append((beside, number))

    test_numbers(times=times, beside="a fixture")
    return seen


def test_the_gate_draws_the_same_and_the_day_draws_more(monkeypatch):
    monkeypatch.setenv("FUZZ_DAY", "7")
    gate, day = draws(20, 1), draws(20, 10)
    assert (len(gate), len(day)) == (20, 200)
    assert gate == draws(20, 1) and day == draws(20, 10)
    monkeypatch.setenv("FUZZ_DAY", "8")
    assert gate == draws(20, 1) and day != draws(20, 10)


def test_explicit_examples_come_first():
    assert draws(3, 1, explicit=[{"number": 5}])[0] == ("a fixture", 5)


def test_a_failure_names_its_arguments_and_its_day():
    @examples(50, number=st.integers(0, 100))
    def test_small(number):
        assert number < 10

    with pytest.raises(AssertionError) as caught:
        test_small(times=1)
    assert "number=10" in "".join(caught.value.__notes__) and "drawn on day 0" in caught.value.__notes__


@examples(3, number=st.integers(0, 100))
def test_fixtures_stand_beside_what_is_drawn(tmp_path, number):
    assert tmp_path.exists() and 0 <= number <= 100
