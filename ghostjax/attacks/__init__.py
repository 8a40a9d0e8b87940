"""Adversaries: `poison(state, batch, before) -> batch` and `corrupt(state, view) -> (state, sent)`, one per file."""

from ghostjax.attacks._base import (
    AbstractAttack as AbstractAttack,
    AbstractDataAttack as AbstractDataAttack,
    AbstractMessageAttack as AbstractMessageAttack,
    AbstractSingleAttack as AbstractSingleAttack,
    AbstractStatelessAttack as AbstractStatelessAttack,
    Before as Before,
    Knowledge as Knowledge,
    Sent as Sent,
    View as View,
)
from ghostjax.attacks.alie import ALIE as ALIE, z_max as z_max
from ghostjax.attacks.backdoor import Backdoor as Backdoor
from ghostjax.attacks.constant import Constant as Constant, Zero as Zero
from ghostjax.attacks.dissensus import Dissensus as Dissensus
from ghostjax.attacks.during import During as During
from ghostjax.attacks.fang_krum import FangKrum as FangKrum
from ghostjax.attacks.framing import Framing as Framing
from ghostjax.attacks.gaussian import Gaussian as Gaussian
from ghostjax.attacks.ipm import IPM as IPM
from ghostjax.attacks.isolation import Isolation as Isolation
from ghostjax.attacks.label_flip import LabelFlip as LabelFlip
from ghostjax.attacks.label_map import LabelMap as LabelMap
from ghostjax.attacks.line_search import deviation as deviation, LineSearch as LineSearch
from ghostjax.attacks.mimic import Mimic as Mimic
from ghostjax.attacks.mimic_heuristic import MimicHeuristic as MimicHeuristic
from ghostjax.attacks.min_max import MinMax as MinMax
from ghostjax.attacks.min_sum import MinSum as MinSum
from ghostjax.attacks.noisy_mean import NoisyMean as NoisyMean
from ghostjax.attacks.non_finite import NonFinite as NonFinite
from ghostjax.attacks.none import NoAttack as NoAttack
from ghostjax.attacks.random import Random as Random
from ghostjax.attacks.several import Redrawn as Redrawn, Several as Several
from ghostjax.attacks.sign_flip import SignFlip as SignFlip
