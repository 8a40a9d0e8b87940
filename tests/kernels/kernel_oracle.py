"""The window mean as its definition says it, sorted and in float64 NumPy."""

import numpy as np


def window_oracle(x, w, trim):
    """Kept mass of the sorted values; the weighted median where nothing is left."""
    x, w = np.asarray(x, float), np.asarray(w, float)
    x, w = x[w > 0], w[w > 0]
    if w.size == 0:
        return np.zeros(x.shape[1])
    total, columns = w.sum(), np.arange(x.shape[1])
    order = np.argsort(x, axis=0, kind="stable")
    values, weights = np.take_along_axis(x, order, 0), w[order]
    upper = np.cumsum(weights, axis=0)
    if 2 * trim >= total * (1 - 1e-6):
        low = values[np.argmax(upper >= total / 2 * (1 - 1e-6), 0), columns]
        high = values[np.argmax(upper > total / 2 * (1 + 1e-6), 0), columns]
        return (low + high) / 2
    kept = np.clip(upper, trim, total - trim) - np.clip(upper - weights, trim, total - trim)
    return (kept * values).sum(0) / (total - 2 * trim)


KINDS = {
    "ones": lambda rng, n: np.ones(n),
    "present": lambda rng, n: (rng.random(n) < 0.7) * 1.0,
    "constant": lambda rng, n: (rng.random(n) < 0.7) * 0.1,
    "real": lambda rng, n: (rng.random(n) < 0.8) * rng.uniform(0.2, 2, n),
    "absent": lambda rng, n: np.zeros(n),
}
