"""One round per rule at 64 and 256 nodes, digits and the MLP 64-64-10: `make bench`.

Wall time of 10 rounds in one compiled program. On a busy machine compare CPU time instead: `side_by_side.py`.
"""

import jax
import pytest
from _rounds import lowered, rules, simulation


ROUNDS = 10


@pytest.mark.parametrize("n", [64, 256])
@pytest.mark.parametrize("rule", list(rules(1)))
def test_round(benchmark, rule, n):
    program, arguments = lowered(simulation(n, rules(n // 5)[rule]), ROUNDS)
    compiled = program.compile()
    benchmark.group = f"{ROUNDS} rounds, n={n}"
    state, _ = benchmark(lambda: jax.block_until_ready(compiled(*arguments)))
    assert int(state.round) == ROUNDS
    assert bool(jax.numpy.isfinite(state.protocol.theta).all())
