"""Corrections: finished runs without those who are named, one way per file."""

from ghostjax.correction._base import (
    AbstractCorrection as AbstractCorrection,
    Case as Case,
    Corrected as Corrected,
    Plays as Plays,
)
from ghostjax.correction.quarantine import Quarantine as Quarantine
from ghostjax.correction.replay import Replay as Replay
from ghostjax.correction.rollback import Rollback as Rollback
from ghostjax.correction.subtraction import Subtraction as Subtraction
