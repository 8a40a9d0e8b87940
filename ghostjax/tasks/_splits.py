"""The four disjoint sets of examples of a task, and who may read each."""

import inspect
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, PyTree

from ghostjax._border import choice
from ghostjax._types import require


Split = Literal["train", "audit", "validation", "test"]
NAMES: tuple[Split, ...] = ("train", "audit", "validation", "test")

NOTHING_HELD_OUT = "no set is held out: validation and test are the training examples"
ONE_FOR_BOTH = "one set is both validation and test: a choice made by it is not tested by it"


class Examples(NamedTuple):
    """Inputs `[N, ...]` and their targets `[N, ...]`."""

    x: Any
    y: Any


class Splits(NamedTuple):
    """The four sets of a task; None for a set that it does not have.

    `train` is owned by the nodes, `audit` is shared by the participants, `validation` is read by the goal, by
    attribution and by every choice, `test` is read once, for tables. `note` names exceptions to this.

    ```python
    >>> from ghostjax.tasks import digits
    >>> digits(8).splits
    Splits(train=1200, audit=100, validation=247, test=250)

    ```
    """

    train: Examples | None = None
    audit: Examples | None = None
    validation: Examples | None = None
    test: Examples | None = None
    note: str = ""

    def describe(self) -> dict[str, Any]:
        """The number of examples of each set (None: the task has no such set), and `note` if there is one."""
        parts = {name: getattr(self, name) for name in NAMES}
        sizes: dict[str, Any] = {name: None if part is None else len(part.x) for name, part in parts.items()}
        return sizes | ({"note": self.note} if self.note else {})

    def of(self, split: str, call: str) -> Examples:
        """The set named `split`. Errors: no such name, a set that the task does not have."""
        part = getattr(self, choice(split, NAMES, call, "split"))
        have = [name for name in NAMES if getattr(self, name) is not None]
        require(part is not None, call, "split", split, f"the task has no such set; it has {', '.join(have) or 'none'}")
        return part

    def __repr__(self) -> str:
        return f"Splits({', '.join(f'{name}={value!r}' for name, value in self.describe().items())})"


def hold_out(x: Any, y: Any, test: tuple[Any, Any]) -> Splits:
    """Audit and validation sets cut out of a training part: N/50 and N/10 examples, at most 1000 and 5000.

    Sets that would be empty are None. Their examples are a fixed random choice, the same for every seed of a task. The
    other examples keep their order.
    """
    total = len(y)
    audit, validation = min(1000, total // 50), min(5000, total // 10)
    order = np.random.default_rng(0).permutation(total)
    cuts = np.split(order, [audit, audit + validation])
    first, second, rest = (Examples(x[rows], y[rows]) if len(rows) else None for rows in map(np.sort, cuts))
    return Splits(rest, first, second, Examples(*test))


def evaluate_on(task: Any, params: PyTree, split: str) -> dict[str, Array]:
    """The goal of `task` on `split`. If its `evaluate` takes no split, only the goal itself can be read."""
    if "split" in inspect.signature(task.evaluate).parameters:
        return task.evaluate(params, split)
    call = f"{type(task).__name__}.evaluate"
    choice(split, NAMES, call, "split")
    require(
        split == "validation", call, "split", split, "it states one goal; to read more, define evaluate(params, split)"
    )
    return task.evaluate(params)
