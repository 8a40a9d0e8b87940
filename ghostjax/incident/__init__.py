"""Incidents: an attack on a collective told end to end, from the first push to the repair, every part of it a value."""

from ghostjax.incident._calibrate import calibrate as calibrate, Calibration as Calibration
from ghostjax.incident._correctability import correctability as correctability
from ghostjax.incident._ghost import ghost as ghost
from ghostjax.incident._incident import Incident as Incident
from ghostjax.incident._name import (
    AbstractNaming as AbstractNaming,
    Adjoint as Adjoint,
    CharterExcess as CharterExcess,
    CharterLoss as CharterLoss,
    Decisive as Decisive,
    gaps_of as gaps_of,
    name as name,
    Pushed as Pushed,
)
from ghostjax.incident._outcome import Finding as Finding, Outcome as Outcome, Repaired as Repaired
from ghostjax.incident._play import play as play
from ghostjax.incident._repair import never as never, repair as repair
from ghostjax.incident._story import story as story
from ghostjax.incident._table import Table as Table, table as table
