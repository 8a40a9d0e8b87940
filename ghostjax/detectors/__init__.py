"""Sequential tests on what participants may see: one per file."""

from ghostjax.detectors._base import (
    AbstractDetector as AbstractDetector,
    AbstractReference as AbstractReference,
    AbstractTest as AbstractTest,
)
from ghostjax.detectors.cusum import CUSUM as CUSUM
from ghostjax.detectors.own_past import OwnPast as OwnPast
from ghostjax.detectors.watch import Watch as Watch
