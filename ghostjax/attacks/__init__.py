"""Adversaries: `step(state, view) -> (state, sent)`, one per file."""

from ghostjax.attacks._base import (
    AbstractAttack as AbstractAttack,
    AbstractDataAttack as AbstractDataAttack,
    AbstractMessageAttack as AbstractMessageAttack,
    Sent as Sent,
    View as View,
)
from ghostjax.attacks.alie import ALIE as ALIE, z_max as z_max
from ghostjax.attacks.none import NoAttack as NoAttack
