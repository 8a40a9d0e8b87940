"""Two checkouts side by side: CPU time, compile time and temporary memory, in alternating pairs.

    git worktree add ../before COMMIT
    python benchmarks/versions.py ../before [--match round] [--pairs 21]
    python benchmarks/versions.py ../before --bits

Each checkout has a process of its own, bound to one core, that answers with the CPU time of one call. A line prints the
median of the ratios here / before and its 95 % interval by order statistics; a limit L is met if the interval's lower
end is at most L. Whether both computed the same thing is said behind the line: the largest difference of the results,
over the largest number. With `--bits` nothing is timed, and more configurations are compared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


ROUNDS = 20
SECONDS = 0.25
"""CPU time that one measurement takes at least."""


def cpu() -> float:
    """User and system time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cases() -> dict[str, Any]:
    """Each case by name: a function that prepares it and returns the call to be timed, or the program to compile."""
    import ghostjax as gj

    rules, attacks = gj.aggregators, gj.attacks
    plain = {
        "mean": rules.Mean(),
        "trimmed mean": rules.TrimmedMean(f=12),
        "median": rules.Median(),
        "Krum": rules.Krum(f=12),
        "multi-Krum": rules.MultiKrum(f=12),
        "geometric median": rules.GeometricMedian(),
        "centered clipping": rules.CenteredClipping(),
        "clipping": rules.Clipping(rules.Mean()),
        "ARC": rules.ARC(rules.TrimmedMean(f=12), f=12),
        "NNM": rules.NNM(rules.TrimmedMean(f=12), f=12),
    }
    found: dict[str, Any] = {f"rule {name} (64, 10000)": ("call", _rule, rule) for name, rule in plain.items()}
    found |= {f"rule {name} (16, 100)": ("call", _rule_small, rule) for name, rule in plain.items()}
    for name in ("mean", "trimmed mean", "Krum", "geometric median", "centered clipping", "ARC", "NNM"):
        found[f"round server {name}"] = ("rollout", _simulation(plain[name], attacks.SignFlip.of_mean()), None)
    for name, attack in {
        "ALIE": attacks.ALIE(z=1.5),
        "min-max": attacks.MinMax(),
        "label flip": attacks.LabelFlip(10),
    }.items():
        found[f"round server trimmed mean, {name}"] = ("rollout", _simulation(plain["trimmed mean"], attack), None)
    for name, rule in {"trimmed mean": rules.TrimmedMean(f=2), "mean": rules.Mean(), "Krum": rules.Krum(f=2)}.items():
        found[f"round gossip {name}"] = ("rollout", _simulation(rule, attacks.SignFlip(), gossip=True), None)
    found |= {f"bits {name}": ("rollout", make, None) for name, make in _configurations().items()}
    found["adjoint"] = ("call", _adjoint, None)
    found["bits float64"] = ("call", _float64, None)
    found["bits server churn"] = ("call", _churn, False)
    found["bits gossip churn"] = ("call", _churn, True)
    found["sweep of 8"] = ("call", _sweep, None)
    found["simulate 40 rounds"] = ("call", _simulate, None)
    return found


def _configurations() -> dict[str, Any]:
    """What is compared bit by bit: protocols, kinds of rules, memory of attacks and learners."""
    import ghostjax as gj

    rules, attacks = gj.aggregators, gj.attacks

    def sgd() -> Any:
        import optax

        return gj.Optimizer(optax.sgd, learning_rate=0.05)

    steps = {"learner": lambda: gj.learners.LocalSteps(sgd(), [1, 2, 3, 2] * 16)}
    plain = {"learner": lambda: gj.learners.Momentum(beta=0.0)}
    metrics = {"metrics": lambda: gj.metrics.standard()}
    return {
        "server clipping, mimic with memory": _simulation(rules.CenteredClipping(), attacks.MimicHeuristic()),
        "server Krum, line search": _simulation(rules.Krum(f=12), attacks.LineSearch(attacks.ALIE(z=1.0), grid=8)),
        "server mean, noise, local steps": _simulation(rules.Mean(), attacks.Gaussian(), **steps),
        "server trimmed mean, label flip, plain": _simulation(rules.TrimmedMean(f=12), attacks.LabelFlip(), **plain),
        "server bucketing, all metrics": _simulation(rules.Bucketing(rules.Median(), size=2), **metrics),
        "gossip mean, noise": _simulation(rules.Mean(), attacks.Gaussian(), gossip=True),
        "gossip NNM, dissensus": _simulation(rules.NNM(rules.Krum(f=2), f=2), attacks.Dissensus(), gossip=True),
        "gossip clipping, local steps": _simulation(rules.CenteredClipping(), gossip=True, **steps),
        "gossip trimmed mean, all metrics": _simulation(rules.TrimmedMean(f=2), gossip=True, **metrics),
        "gossip geometric median, label flip": _simulation(
            rules.GeometricMedian(), attacks.LabelFlip(), gossip=True, **plain
        ),
    }


def _task(n: int) -> Any:
    import ghostjax as gj

    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(n * 40, 64)).astype(np.float32), draw.integers(0, 10, n * 40).astype(np.int32)
    parts = gj.tasks.partition.iid(y, n)
    return gj.tasks.from_arrays(x, y, gj.tasks.models.MLP((64, 64, 10)), parts, test=(x[:500], y[:500]))


def _simulation(rule: Any, attack: Any = None, gossip: bool = False, **parts: Any) -> Any:
    import ghostjax as gj

    attack = gj.attacks.SignFlip() if attack is None else attack

    n = 64
    protocol = gj.protocols.Gossip(rule, gj.topologies.random_regular(n, 8)) if gossip else gj.protocols.Server(rule)
    count = 4 if gossip else 12
    made = {name: make() for name, make in parts.items()}
    return lambda: gj.Simulation(_task(n), protocol, attack=attack, byzantine=count, **made)


def _rule(rule: Any, shape: tuple[int, int] = (64, 10_000)) -> Any:
    import jax.numpy as jnp

    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    return lambda: rule(x)


def _rule_small(rule: Any) -> Any:
    import equinox as eqx

    if hasattr(rule, "f"):
        rule = eqx.tree_at(lambda rule: rule.f, rule, rule.f / 4)
    return _rule(rule, (16, 100))


def _adjoint(_: Any) -> Any:
    import ghostjax as gj

    simulation = _simulation(gj.aggregators.TrimmedMean(f=12), gj.attacks.SignFlip())()
    return lambda: np.asarray(gj.attribution.adjoint(simulation, 20, 0).scores)


def _float64(_: Any) -> Any:
    import jax

    with jax.enable_x64(True):
        simulation = _simulation(_rules().GeometricMedian(), gossip=True)()

    def call() -> Any:
        import ghostjax as gj

        with jax.enable_x64(True):
            return np.asarray(gj.simulate(simulation, 10, 0, progress=None).models)

    return call


def _churn(gossip: bool) -> Any:
    """Rounds in which nodes come and go, some weights not whole."""
    import ghostjax as gj

    draw = np.random.default_rng(1)
    w = np.where(draw.random((20, 64)) < 0.3, 0.0, draw.choice([1.0, 1.0, 2.0, 0.5], (20, 64)))
    simulation = _simulation(_rules().TrimmedMean(f=2), gossip=gossip)()
    return lambda: np.asarray(gj.simulate(simulation, 20, 0, participation=w, progress=None).models)


def _rules() -> Any:
    import ghostjax as gj

    return gj.aggregators


def _sweep(_: Any) -> Any:
    import ghostjax as gj

    simulation = _simulation(gj.aggregators.TrimmedMean(f=12), gj.attacks.SignFlip())()
    axes = {"protocol.aggregator.f": [2, 4, 8, 12]}
    return lambda: gj.sweep(simulation, axes, 10, seeds=2, progress=None).dataset["loss"].values


def _simulate(_: Any) -> Any:
    import ghostjax as gj

    simulation = _simulation(gj.aggregators.TrimmedMean(f=12), gj.attacks.SignFlip())()
    return lambda: gj.simulate(simulation, 40, 0, progress=None).record["loss"]


class Worker:
    """One case prepared: `measure` times it."""

    def __init__(self, name: str):
        import jax
        import jax.numpy as jnp

        import ghostjax as gj

        kind, make, extra = cases()[name]
        self.memory = self.compiling = 0.0
        if kind == "rollout":
            simulation = make()
            key = jax.random.key(0)
            state = jax.jit(lambda simulation: simulation.init(key))(simulation)
            arguments = (simulation, key, jnp.ones((ROUNDS, simulation.num_nodes)), state)
            start = cpu()
            lowered = jax.jit(gj.rollout, compiler_options=gj.compiler_options()).lower(*arguments)
            program = lowered.compile()
            self.compiling = cpu() - start
            stats = program.memory_analysis()
            assert stats is not None
            self.memory = float(stats.temp_size_in_bytes)
            # The models, which do not depend on what entries of the record are called.
            self.call = lambda: simulation.protocol.models(program(*arguments)[0].protocol)
        else:
            self.call = make(extra)
        self.result = self._run()

    def _run(self) -> np.ndarray:
        import jax

        leaves = jax.tree.leaves(jax.block_until_ready(self.call()))
        return np.concatenate([np.asarray(leaf, np.float64).reshape(-1) for leaf in leaves])

    def measure(self) -> float:
        """CPU seconds of one call."""
        import jax

        start, count = cpu(), 0
        while cpu() - start < SECONDS:
            jax.block_until_ready(self.call())
            count += 1
        return (cpu() - start) / count


def serve(core: int) -> None:
    """Answers one JSON line per request."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    print(json.dumps(list(cases())), flush=True)
    worker = None
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            worker = None
            worker = Worker(request["case"])
            np.save(request["result"], worker.result)
            answer = {"memory": worker.memory, "compiling": worker.compiling}
        else:
            assert worker is not None
            answer = {"seconds": worker.measure()}
        print(json.dumps(answer), flush=True)


class Side:
    """The process of one checkout."""

    def __init__(self, root: Path, core: int):
        environment = {**os.environ, "PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
        environment |= {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", str(core)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.cases = self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, **request: Any) -> dict[str, float]:
        """The answer to one request."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """The median and the order statistics that hold it with at least 95 %."""
    ordered = sorted(ratios)
    count, rank, below = len(ordered), 0, 0.5 ** len(ordered)
    tail, term = 0.0, below
    while tail + term <= 0.025:
        tail += term
        rank += 1
        term = term * (count - rank + 1) / rank
    rank = max(rank - 1, 0)
    return float(np.median(ordered)), ordered[rank], ordered[count - 1 - rank]


def alike(here: np.ndarray, before: np.ndarray) -> str:
    """Whether both computed the same thing."""
    if here.shape != before.shape:
        return "other shapes"
    if np.array_equal(here, before, equal_nan=True):
        return "same bits"
    a, b = (np.nan_to_num(result, posinf=0, neginf=0) for result in (here, before))
    return f"differ by {np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-30):.1e}"


def compare(here: Side, before: Side, name: str, pairs: int, folder: Path) -> str:
    """One line of the table."""
    answers, results = [], []
    for i, side in enumerate((here, before)):
        path = folder / f"{i}.npy"
        answers.append(side.ask(case=name, result=str(path)))
        results.append(np.load(path))
    if not pairs:
        return f"{name:52s} {alike(*results)}"
    ratios = []
    for i in range(pairs):
        order = (here, before) if i % 2 else (before, here)
        times = {id(side): side.ask()["seconds"] for side in order}
        ratios.append(times[id(here)] / times[id(before)])
    middle, low, high = interval(ratios)
    more = ""
    if answers[0]["memory"]:
        compiling = answers[0]["compiling"] / answers[1]["compiling"]
        more = f"  compile {compiling:.2f}  temporaries {answers[0]['memory'] / max(answers[1]['memory'], 1):.3f}"
    return f"{name:44s} {middle:.3f} [{low:.3f}, {high:.3f}]  {alike(*results)}{more}"


def main() -> None:
    """Prints a line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", nargs="?", type=Path)
    parser.add_argument("--match", default="")
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--bits", action="store_true", help="compare results only")
    parser.add_argument("--serve", type=int)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return
    if options.before is None:
        parser.error("give the folder of the checkout to compare with")
    import tempfile

    here = Side(Path(__file__).resolve().parents[1], 0)
    before = Side(options.before.resolve(), 0)
    with tempfile.TemporaryDirectory() as folder:
        for name in here.cases:
            if options.match in name and (options.bits or not name.startswith("bits ")):
                pairs = 0 if options.bits else options.pairs
                print(compare(here, before, name, pairs, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
