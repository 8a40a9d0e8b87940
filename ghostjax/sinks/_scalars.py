"""Rows in the form of trackers: one number per name and round."""

from collections.abc import Iterator, Mapping

import numpy as np

from ghostjax._output import Output


def scalars(
    rows: Mapping[str, np.ndarray], start: int, outputs: Mapping[str, Output]
) -> Iterator[tuple[int, dict[str, float]]]:
    """Each round with the numbers that were due in it; entries with further dimensions are left out."""
    plain = {name: column for name, column in rows.items() if column.ndim == 1}
    length = len(next(iter(rows.values()))) if rows else 0
    due = {name: np.broadcast_to(outputs[name].due(start + np.arange(length)), length) for name in plain}
    for i in range(length):
        yield start + i, {name: float(column[i]) for name, column in plain.items() if due[name][i]}


def part(record: Mapping[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
    """Rows `start : stop` of a record."""
    return {name: column[start:stop] for name, column in record.items()}
