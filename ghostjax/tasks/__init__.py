"""Learning problems: data, model, local objectives and the stated goal."""

from ghostjax.tasks import models as models, partition as partition
from ghostjax.tasks._base import AbstractTask as AbstractTask
from ghostjax.tasks.arrays import (
    ArrayTask as ArrayTask,
    Batch as Batch,
    cross_entropy as cross_entropy,
    from_arrays as from_arrays,
)
from ghostjax.tasks.digits import digits as digits, load_digits as load_digits
