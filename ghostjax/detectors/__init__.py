"""Sequential tests on what participants may see: one per file."""

from ghostjax.detectors._base import (
    AbstractDetector as AbstractDetector,
    AbstractReference as AbstractReference,
    AbstractTest as AbstractTest,
)
from ghostjax.detectors._mixture import Shifts as Shifts
from ghostjax.detectors.cusum import CUSUM as CUSUM
from ghostjax.detectors.e_bh import e_bh as e_bh
from ghostjax.detectors.e_process import EProcess as EProcess
from ghostjax.detectors.honest_runs import HonestRuns as HonestRuns
from ghostjax.detectors.own_past import OwnPast as OwnPast
from ghostjax.detectors.peers import Peers as Peers
from ghostjax.detectors.shiryaev_roberts import ShiryaevRoberts as ShiryaevRoberts
from ghostjax.detectors.standard import Standard as Standard
from ghostjax.detectors.watch import Watch as Watch
