"""One row per attack: every law of `check_attack` runs on each."""

import numpy as np

from ghostjax import attacks, charters


TABLE = {
    "none": lambda: attacks.NoAttack(),
    "sign_flip": lambda: attacks.SignFlip(scale=1.5),
    "ipm": lambda: attacks.IPM(tau=0.6),
    "alie": lambda: attacks.ALIE(),
    "alie_flpoison": lambda: attacks.ALIE.flpoison(),
    "gaussian": lambda: attacks.Gaussian(mean=1.0, std=2.0),
    "noisy_mean": lambda: attacks.NoisyMean(std=0.5),
    "random": lambda: attacks.Random(low=-2.0),
    "constant": lambda: attacks.Constant(-3.0),
    "nan": lambda: attacks.NonFinite(),
    "mimic": lambda: attacks.Mimic(target=4),
    "framing": lambda: attacks.Framing(victim=4, push=0.4),
    "mimic_heuristic": lambda: attacks.MimicHeuristic(warmup=2),
    "label_flip": lambda: attacks.LabelFlip(num_classes=10),
    "label_map": lambda: attacks.LabelMap({2: 7, 7: 2, 3: 1}),
    "dissensus": lambda: attacks.Dissensus(eps=1.5),
    "isolation": lambda: attacks.Isolation(),
    "min_max_std": lambda: attacks.MinMax("std", ddof=1),
    "min_max_unit": lambda: attacks.MinMax("unit"),
    "min_sum_sign": lambda: attacks.MinSum("sign"),
    "min_sum_std": lambda: attacks.MinSum("std", ddof=0),
    "fang_krum": lambda: attacks.FangKrum(scale=2.0, halvings=4),
    "optimal_alie": lambda: attacks.LineSearch(attacks.ALIE(z=1.0), grid=3, refinements=1),
    "optimal_ipm": lambda: attacks.LineSearch(attacks.IPM(tau=0.0), grid=3, refinements=1, signed=False),
    "during": lambda: attacks.During(attacks.MimicHeuristic(warmup=2), start=1, end=2),
    "backdoor": lambda: attacks.Backdoor(charters.BlankPixels([2]), target=3, eps=0.5),
    # The identities that the battery calls Byzantine, one each.
    "several": lambda: attacks.Several(
        {attacks.SignFlip(1.5): np.arange(7) == 3, attacks.ALIE(1.0): np.arange(7) == 5}
    ),
}
