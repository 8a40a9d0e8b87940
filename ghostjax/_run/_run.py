"""What a run leaves behind."""

from typing import Any, NamedTuple

import numpy as np

from ghostjax._round import State
from ghostjax._run._result import RunResult


class Run(NamedTuple):
    """The result code, the record of every round and the final state of a run."""

    result: RunResult
    record: dict[str, np.ndarray]
    state: State
    provenance: Any = None
