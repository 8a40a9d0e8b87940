"""Side by side with other libraries, same work, workers taking turns on the same machine.

    python benchmarks/side_by_side.py [--byzfl-python PATH] [--byzpy-python PATH] [--only rules|rounds] [--match TEXT]
                                      [--reps 5] [--cores 1] [--json FILE [--add]] [--write FILE ...]

Each library runs in an interpreter of its own: the one given, or in `GHOSTJAX_BYZFL_PYTHON` and
`GHOSTJAX_BYZPY_PYTHON`, or this one if it can import the library; otherwise it is skipped, and the table says so.
Every library has one core and one thread: the figure is user plus system time of the process. With `--cores 2` XLA, and
it alone, starts a second thread, whose active waiting counts: calls of less than a millisecond then cost several times
as much.
A ratio is the median over repetitions of (other / ghostjax) within one turn, and is printed only where both results
agree with a float64 reference to 1e-5 (rounds: with each other after 10 rounds on identical batches). A worker whose
single call takes more than a second gets at most three turns. `--add` keeps the cases that FILE already holds and that
are not measured anew, so that the table can be made in pieces (`--match nothing` measures none).

`--write` replaces what stands between two marks: the whole table between `<!-- benchmark:begin -->` and
`<!-- benchmark:end -->`, or between `<!-- benchmark:short:begin -->` and its end the rounds and the rules at the
default f, with the faster of byzfl's two forms.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "peers"))

from numpy_worker import aggregate


WORKERS = {
    "ghostjax": ("ghostjax_worker.py", "step"),
    "ghostjax checked": ("ghostjax_worker.py", "call"),
    "byzfl torch": ("byzfl_worker.py", "torch"),
    "byzfl numpy": ("byzfl_worker.py", "numpy"),
    "byzpy": ("byzpy_worker.py", ""),
    "numpy": ("numpy_worker.py", ""),
}
KEEP = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
"""Freed memory stays with the process; whether glibc asks for its pages anew at every call is otherwise chance."""
DIFFERENT = {
    ("byzpy", "median"): "takes the lower of the two middle values",
    ("byzpy", "geometric_median"): "starts at the mean, the others at zero; same number of steps",
    ("byzpy", "krum"): "counts n - f - 2 neighbours, the others n - f - 1",
    ("byzpy", "multi_krum"): "counts n - f - 2 neighbours, the others n - f - 1",
}
"""Results that differ by definition although the work is the same: their ratios carry a star."""
RULES = [
    "mean",
    "median",
    "trimmed_mean",
    "krum",
    "multi_krum",
    "geometric_median",
    "centered_clipping",
    "nnm_trimmed_mean",
]
SHAPES = [(64, 10_000), (64, 65_536), (64, 1_000_000), (256, 100_000)]
ROUNDS = [
    ("mlp", 64, "mean", "sign_flip"),
    ("mlp", 64, "trimmed_mean", "sign_flip"),
    ("mlp", 64, "multi_krum", "sign_flip"),
    ("mlp", 256, "mean", "sign_flip"),
    ("mlp", 256, "trimmed_mean", "sign_flip"),
    ("mlp", 256, "mean", "alie"),
    ("mlp", 256, "trimmed_mean", "alie"),
    ("cnn", 64, "mean", "alie"),
]


class Worker:
    """A peer in a process of its own."""

    def __init__(self, python: str, script: str, argument: str, cores: list[int]):
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        own = {"PYTHONPATH": str(HERE.parent), "BENCHMARK_CORES": ",".join(map(str, cores)), **KEEP}
        environment = os.environ | threads | own
        command = [python, str(HERE / "peers" / script), argument]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not os.environ.get("GHOSTJAX_BENCHMARK_VERBOSE") else None,
            text=True,
            env=environment,
        )

    def ask(self, **request) -> dict:
        """One request, one reply; a dead worker says how it died."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            error = (self.process.stderr.read() if self.process.stderr else "").strip().splitlines()
            return {"error": f"worker died: {error[-1] if error else 'no message'}"}
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()


def interpreters(arguments) -> dict[str, str | None]:
    """The interpreter of each library, None where there is none."""
    found: dict[str, str | None] = {"ghostjax": sys.executable, "numpy": sys.executable}
    for name in ("byzfl", "byzpy"):
        given = getattr(arguments, f"{name}_python") or os.environ.get(f"GHOSTJAX_{name.upper()}_PYTHON")
        here = subprocess.run([sys.executable, "-c", f"import {name}, torch"], capture_output=True).returncode == 0
        found[name] = given if given and shutil.which(given) else sys.executable if here else None
    return found


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the largest entry."""
    return float(np.abs(a.astype(np.float64) - b).max() / max(np.abs(b).max(), 1e-300))


def measure(case: dict, pythons: dict, reps: int, cores: list[int], folder: Path) -> dict:
    """Sets up all workers of a case, checks what they compute, and lets them take turns."""
    workers, notes, versions, errors = {}, {}, {}, {}
    outputs: dict[str, dict] = {}
    for name, (script, argument) in WORKERS.items():
        python = pythons[name.split()[0]]
        if python is None:
            notes[name] = "not installed here"
            continue
        worker = Worker(python, script, argument, cores)
        first = case | {"sampling": False, "warm": 10} if case["kind"] == "round" else case
        if case["kind"] == "round":
            first["data"] = case["check_data"]
        reply = worker.ask(setup=first)
        if "versions" not in reply:
            notes[name] = reply.get("skip") or f"failed: {reply.get('error')}"
            worker.close()
            continue
        path = folder / f"result-{name.replace(' ', '-')}.npz"
        reply |= worker.ask(result=str(path))
        with np.load(path) as arrays:
            outputs[name] = {key: arrays[key] for key in arrays.files}
        path.unlink()
        if case["kind"] == "round":
            reply |= worker.ask(setup=case | {"sampling": True, "warm": 1})
        versions |= reply["versions"]
        workers[name] = worker
    reference = outputs.get("ghostjax", {})
    if case["kind"] == "rule":
        with np.load(case["data"]) as arrays:
            exact = aggregate(case["rule"], arrays["x"].astype(np.float64), case["f"], case["knobs"])
        reference = {"y": exact}
    for name, arrays in outputs.items():
        errors[name] = max((relative(arrays[key], reference[key]) for key in reference), default=float("nan"))
    times: dict[str, list] = {name: [] for name in workers}
    counts = {}
    for name, worker in workers.items():
        count = 1
        while True:
            reply = worker.ask(run=count)
            if "cpu" not in reply:
                notes[name] = f"failed: {reply.get('error')}"
                break
            if reply["cpu"] >= 0.3 or reply["count"] >= 100_000:
                break
            count = max(count + 1, int(1.3 * 0.3 * reply["count"] / max(reply["cpu"], 1e-3)))
        counts[name] = count
    turns = [name for name in workers if name not in notes]
    rss = {}
    for turn in range(reps):
        for name in turns:
            if turn >= 3 and times[name][0][0] > 1000:
                continue
            reply = workers[name].ask(run=counts[name])
            times[name].append((reply["cpu"] / reply["count"] * 1e3, reply["wall"] / reply["count"] * 1e3))
            rss[name] = reply["rss_mb"]
    for worker in workers.values():
        worker.close()
    table = {}
    for name in turns:
        base = times.get("ghostjax", [])
        entry = {
            "cpu_ms": statistics.median(t[0] for t in times[name]),
            "wall_ms": statistics.median(t[1] for t in times[name]),
            "min_cpu_ms": min(t[0] for t in times[name]),
            "max_cpu_ms": max(t[0] for t in times[name]),
            "rss_mb": rss[name],
            "relative_error": errors[name],
        }
        known = case["kind"] == "rule" and DIFFERENT.get((name, case["rule"]))
        if name != "ghostjax" and base and (errors[name] <= 1e-5 or known) and errors["ghostjax"] <= 1e-5:
            entry["cpu_ratio"] = statistics.median(a[0] / b[0] for a, b in zip(times[name], base, strict=False))
            entry["wall_ratio"] = statistics.median(a[1] / b[1] for a, b in zip(times[name], base, strict=False))
            entry["definition"] = known if known and errors[name] > 1e-5 else None
        elif name != "ghostjax":
            notes[name] = f"result differs from the reference by {max(errors[name], errors['ghostjax']):.1e}: no ratio"
        table[name] = entry
    return {"case": case["name"], "results": table, "notes": notes, "versions": versions, "load": os.getloadavg()} | (
        {"default": case["f"] == case["n"] // 5} if case["kind"] == "rule" else {}
    )


def rule_cases(folder: Path, match: str):
    """Every rule at every shape, and the trimmed mean at a few f."""
    for n, d in SHAPES:
        names = [(rule, n // 5) for rule in RULES] + [("trimmed_mean", f) for f in ((1, 8, 31) if n == 64 else (1,))]
        wanted = [(rule, f, f"{rule} {n}x{d} f={f}") for rule, f in names if match in f"{rule} {n}x{d} f={f}"]
        if not wanted:
            continue
        path = folder / "rows.npz"
        x = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
        x *= np.linspace(0.5, 2, n, dtype=np.float32)[:, None]
        x += np.float32(0.3)
        np.savez(path, x=x)
        knobs = {"steps": 3, "nu": 0.1, "tau": float(np.sqrt(d))}
        for rule, f, name in wanted:
            yield {"kind": "rule", "name": name, "rule": rule, "n": n, "f": f, "knobs": knobs, "data": str(path)}


def round_cases(folder: Path, match: str):
    """Digits over n nodes: 256 examples each to sample from, or exactly one batch of 32 for the comparison."""
    import jax

    import ghostjax as gj

    train = gj.tasks.load_digits().train
    assert train is not None
    x, y = train
    for model, n, rule, attack in ROUNDS:
        name = f"digits-{model}-n{n}-{rule}-{attack}"
        if match not in name:
            continue
        net = gj.tasks.models.cnn_digits() if model == "cnn" else gj.tasks.models.MLP((64, 64, 10))
        params = {
            f"{key}{i}": np.asarray(leaf)
            for i, layer in enumerate(net.init(jax.random.key(0)))
            for key, leaf in layer.items()
        }
        draw, paths = np.random.default_rng(1), []
        for size in (256, 32):
            indices = np.stack([draw.choice(len(x), size, replace=False) for _ in range(n)]).astype(np.int32)
            paths.append(folder / f"digits-{size}.npz")
            np.savez(paths[-1], x=x, y=y, indices=indices, **params)
        yield {
            "kind": "round",
            "name": name,
            "model": model,
            "n": n,
            "f": n // 5,
            "rule": rule,
            "attack": attack,
            "batch": 32,
            "chunk": 10,
            "data": str(paths[0]),
            "check_data": str(paths[1]),
        }


def order(name: str) -> tuple:
    """Where a case stands in the table: rounds first, then rules by shape."""
    rounds = ["-".join(("digits", model, f"n{n}", rule, attack)) for model, n, rule, attack in ROUNDS]
    if name in rounds:
        return (0, rounds.index(name))
    rule, shape, f = name.split()
    n, d = map(int, shape.split("x"))
    return (1, n, d, RULES.index(rule), int(f.removeprefix("f=")))


def calibrate() -> dict:
    """What the machine can do: one read of 256 MB, and a matrix product, by NumPy and by XLA."""
    import jax

    x = np.ones(64 * 2**20, np.float32)
    g = np.random.default_rng(0).normal(size=(256, 100_000)).astype(np.float32)

    def best(run) -> float:
        run()
        times = []
        for _ in range(5):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        return min(times)

    gram = jax.jit(lambda g: g @ g.T)
    put = jax.device_put(g)
    flops = 2 * g.shape[0] ** 2 * g.shape[1]
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "read_gb_per_s": x.nbytes / best(lambda: x.sum()) / 1e9,
        "numpy_product_gflop_per_s": flops / best(lambda: g @ g.T) / 1e9,
        "xla_product_gflop_per_s": flops / best(lambda: gram(put).block_until_ready()) / 1e9,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "simd": [flag for flag in ("avx2", "avx512f", "avx512_bf16", "asimd", "sve") if flag in flags.split()],
    }


def cell(entry: dict | None) -> str:
    """Milliseconds, and the ratio to ghostjax where both computed the same."""
    if entry is None:
        return "-"
    text = f"{entry['cpu_ms']:.3g}"
    if "cpu_ratio" in entry:
        digits = 1 if entry["cpu_ratio"] >= 1 else 2
        return text + f" ({entry['cpu_ratio']:.{digits}f}x{'*' if entry['definition'] else ''})"
    return text if entry.get("own") else text + " (differs)"


def best(entries: list[dict | None]) -> dict | None:
    """The fastest of those whose result may be compared."""
    return min((e for e in entries if e and "cpu_ratio" in e), key=lambda e: e["cpu_ms"], default=None)


def markdown(report: dict, short: bool) -> str:
    """The table, and under it what it needs to be read."""
    rows = [row for row in report["cases"] if "ghostjax" in row["results"]]
    if short:
        names = ["ghostjax", "byzfl", "byzpy", "numpy"]
        rows = [row for row in rows if row.get("default", True)]
    else:
        names = [name for name in WORKERS if any(name in row["results"] for row in rows)]
    lines = ["| case | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    starred = {}
    for row in rows:
        results = dict(row["results"])
        results["ghostjax"] = results["ghostjax"] | {"own": True}
        results["byzfl"] = best([results.get("byzfl torch"), results.get("byzfl numpy")])
        lines.append(f"| {row['case']} | " + " | ".join(cell(results.get(name)) for name in names) + " |")
        for name, entry in results.items():
            if entry and entry.get("definition"):
                starred[name, row["case"].split()[0]] = entry["definition"]
    machine = report["machine"]
    lines += [
        "",
        "CPU time in ms (user + system) per call or per round, median of the repetitions; in brackets the ratio to",
        f"ghostjax within one turn (above 1: ghostjax is faster). Cores of each library: {machine['cores_each']}.",
        f"Machine: {machine['cores']} cores {machine['machine']} ({', '.join(machine['simd'])}), read bandwidth "
        f"{machine['read_gb_per_s']:.0f} GB/s,",
        f"matrix product {machine['xla_product_gflop_per_s']:.0f} GFLOP/s (XLA) "
        f"and {machine['numpy_product_gflop_per_s']:.0f} (NumPy) per core.",
        f"Versions: {', '.join(f'{k} {v}' for k, v in sorted(report['versions'].items()))}.",
    ]
    if starred:
        lines += ["", *(f"- `*` {name}, {rule}: {why}." for (name, rule), why in sorted(starred.items()))]
    if short:
        return "\n".join(lines)
    missing: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name, why in row["notes"].items():
            if why not in ("a round has one form",):
                missing.setdefault((name, why), []).append(row["case"])
    lines += [
        f"- {name}: {why}" + (f" ({', '.join(cases)})" if len(cases) < len(rows) else "")
        for (name, why), cases in missing.items()
    ]
    return "\n".join(lines)


def write_between(path: Path, report: dict) -> None:
    """Replaces what stands between the two marks of a file."""
    whole = path.read_text()
    short = "<!-- benchmark:short:begin -->" in whole
    begin, end = (f"<!-- benchmark:{'short:' if short else ''}{word} -->" for word in ("begin", "end"))
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise SystemExit(f"{path}: needs exactly one line {begin} and one line {end}")
    head, tail = whole.split(begin)[0], whole.split(end)[1]
    path.write_text(f"{head}{begin}\n{markdown(report, short)}\n{end}{tail}")


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--byzfl-python")
    parser.add_argument("--byzpy-python")
    parser.add_argument("--only", choices=("rules", "rounds"))
    parser.add_argument("--match", default="", help="only cases whose name contains this text")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--cores", type=int, default=1, help="cores of each library")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--add", action="store_true", help="keep what the JSON file holds of other cases")
    parser.add_argument("--write", type=Path, nargs="+", default=[], metavar="FILE")
    arguments = parser.parse_args()
    pythons = interpreters(arguments)
    if not (bound := hasattr(os, "sched_setaffinity")):
        print("this system binds no process to a core: XLA may start threads beyond --cores", flush=True)
    cores = sorted(os.sched_getaffinity(0) if bound else range(os.cpu_count() or 1))[-arguments.cores :]
    for name, python in pythons.items():
        if python is None:
            print(f"{name}: not installed here; give --{name}-python PATH", flush=True)
    report: dict = {"cases": [], "versions": {}, "python": platform.python_version()}
    if arguments.add and arguments.json and arguments.json.exists():
        report = json.loads(arguments.json.read_text())
    with tempfile.TemporaryDirectory() as folder:
        for kind, cases in (("rules", rule_cases), ("rounds", round_cases)):
            if arguments.only not in (None, kind):
                continue
            for case in cases(Path(folder), arguments.match):
                row = measure(case, pythons, arguments.reps, cores, Path(folder))
                report["cases"] = [old for old in report["cases"] if old["case"] != row["case"]] + [row]
                report["versions"] |= row["versions"]
                cells = [
                    f"{name} {entry['cpu_ms']:.3g} ms"
                    + (f" ({entry['cpu_ratio']:.2g}x, wall {entry['wall_ratio']:.2g}x)" if "cpu_ratio" in entry else "")
                    for name, entry in row["results"].items()
                ]
                print(f"{row['case']}: {'; '.join(cells)} [load {row['load'][0]:.1f}]", flush=True)
                for name, why in row["notes"].items():
                    print(f"    {name}: {why}", flush=True)
                if arguments.json:
                    arguments.json.write_text(json.dumps(report, indent=1))
    if bound:
        os.sched_setaffinity(0, cores)
    report["machine"] = calibrate() | {"cores_each": len(cores)}
    report["cases"].sort(key=lambda row: order(row["case"]))
    print("\n" + markdown(report, short=False))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    for path in arguments.write:
        write_between(path, report)


if __name__ == "__main__":
    main()
