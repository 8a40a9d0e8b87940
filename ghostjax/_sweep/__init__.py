"""Many simulations as one labelled result: axes, cells, workers."""

from ghostjax._sweep._axis import Axis as Axis
from ghostjax._sweep._result import collect as collect, Sweep as Sweep
from ghostjax._sweep._stats import (
    difference as difference,
    mean_over_seeds as mean_over_seeds,
    worst_case as worst_case,
)
from ghostjax._sweep._sweep import sweep as sweep
