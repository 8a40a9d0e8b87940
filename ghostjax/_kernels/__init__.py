"""Fused kernels over the node axis, chosen here by (n, d, weights, device) and nowhere else."""

from ghostjax._kernels.border import finite_rows as finite_rows, present as present
from ghostjax._kernels.clipped_steps import clipped_steps as clipped_steps
from ghostjax._kernels.dense import dense_product as dense_product
from ghostjax._kernels.distance import squared_distances as squared_distances, unit_distances as unit_distances
from ghostjax._kernels.geometric_median import (
    median_coefficients as median_coefficients,
    without_far_rows as without_far_rows,
)
from ghostjax._kernels.mass import kept_mass as kept_mass
from ghostjax._kernels.median_rows import geometric_median as geometric_median
from ghostjax._kernels.moments import (
    combined as combined,
    shares as shares,
    weighted_mean as weighted_mean,
    weighted_variance as weighted_variance,
)
from ghostjax._kernels.nearest import (
    nearest_mixing as nearest_mixing,
    nearest_radius as nearest_radius,
    nearest_score as nearest_score,
)
from ghostjax._kernels.norms import capped as capped, lengths as lengths, measured as measured, row_norms as row_norms
from ghostjax._kernels.precision import at_least_float32 as at_least_float32
from ghostjax._kernels.row_sums import squared_distances_to as squared_distances_to
from ghostjax._kernels.slot_sum import slot_squares as slot_squares, slot_sum as slot_sum
from ghostjax._kernels.slots import window_mean_slots as window_mean_slots
from ghostjax._kernels.span import (
    balanced as balanced,
    mass_unit as mass_unit,
    ORDINARY as ORDINARY,
    power_near as power_near,
    within as within,
)
from ghostjax._kernels.window import window_mean as window_mean
from ghostjax._kernels.window_grad import safe_divide as safe_divide
