"""Who decides what is done about it: verdicts, and the earlier models that they can return to."""

from ghostjax.governance._base import AbstractGovernance as AbstractGovernance
from ghostjax.governance._snapshots import Ring as Ring, Snapshots as Snapshots
from ghostjax.governance.scheduled import Scheduled as Scheduled
