"""The rules in plain NumPy in the fastest form that it has: the bar for coordinate-wise rules is its vector sort."""

import numpy as np
from protocol import serve, Skip


def squared_distances(x):
    x = x - x.mean(0)
    gram = x @ x.T
    norms = np.diagonal(gram)
    dist2 = np.maximum(norms[:, None] + norms[None, :] - 2 * gram, 0)
    np.fill_diagonal(dist2, 0)
    return dist2


def krum_scores(x, f):
    return np.sort(squared_distances(x), axis=1)[:, 1 : len(x) - f].mean(1)


def trimmed_mean(x, f):
    return np.sort(x, axis=0)[f : len(x) - f].mean(0)


def geometric_median(x, steps, nu):
    z = np.zeros_like(x[0])
    for _ in range(steps):
        weights = 1 / np.maximum(np.linalg.norm(x - z, axis=1), nu)
        z = weights @ x / weights.sum()
    return z


def centered_clipping(x, tau):
    scale = np.minimum(1, tau / np.maximum(np.linalg.norm(x, axis=1), 1e-30))
    return scale @ x / len(x)


def nnm(x, f):
    keep = len(x) - f
    nearest = np.argsort(squared_distances(x), axis=1, kind="stable")[:, :keep]
    mixing = np.zeros((len(x), len(x)), x.dtype)
    np.put_along_axis(mixing, nearest, 1 / keep, axis=1)
    return mixing @ x


def aggregate(rule: str, x: np.ndarray, f: int, knobs: dict) -> np.ndarray:
    """The rule at unit weights, in the dtype of `x`."""
    n = len(x)
    match rule:
        case "mean":
            return np.full(n, 1 / n, x.dtype) @ x
        case "median":
            ordered = np.sort(x, axis=0)
            return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
        case "trimmed_mean":
            return trimmed_mean(x, f)
        case "krum":
            return x[np.argmin(krum_scores(x, f))]
        case "multi_krum":
            return x[np.argsort(krum_scores(x, f), kind="stable")[: n - f]].mean(0)
        case "geometric_median":
            return geometric_median(x, knobs["steps"], knobs["nu"])
        case "centered_clipping":
            return centered_clipping(x, knobs["tau"])
        case "nnm_trimmed_mean":
            return trimmed_mean(nnm(x, f), f)
    raise Skip(f"no rule {rule}")


def setup(case):
    if case["kind"] != "rule":
        raise Skip("NumPy has no training loop to compare with")
    x = np.load(case["data"])["x"]
    last = {}

    def step(count):
        for _ in range(count):
            last["y"] = aggregate(case["rule"], x, case["f"], case["knobs"])
        return count

    return step, lambda: last


if __name__ == "__main__":
    serve(setup, {"numpy": np.__version__})
