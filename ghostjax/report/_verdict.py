"""The answer of an investigation in words: who did harm, since when, how certain, and whether a defence pays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ghostjax._intervals import t_interval
from ghostjax.report._page import Verdict


class Finding(NamedTuple):
    """The findings of an investigation. Accuracies are `[seed]`, paired: equal seeds share all their random numbers."""

    nodes: int
    named: tuple[int, ...]
    """Identities named, in every seed."""
    since: int
    """The round, counted from 1, from which the named did harm."""
    limit: float
    """The number of robust standard deviations from the median beyond which an identity is named."""
    weakest: float
    """The smallest deviation, over seeds, of a named identity when it was named."""
    suspect: float
    """The largest deviation, in every seed, of an identity that was not named."""
    false_alarms: int
    """The number of identities that the same procedure names in the attack-free training."""
    byzantine: tuple[int, ...]
    """The truth, which the procedure does not see."""
    attack_free: np.ndarray
    attacked: np.ndarray
    removed: np.ndarray
    """Accuracies without the named identities, everything else replayed."""
    defence: str
    defended: np.ndarray
    defended_free: np.ndarray

    @property
    def seeds(self) -> int:
        """Number of paired seeds."""
        return len(self.attacked)


def verdict(found: Finding) -> Verdict:
    """The verdict as a sentence, with its grounds."""
    return Verdict(f"{_who(found)}; {_cost(found)}, and {_defence(found)}.", _grounds(found))


def _who(found: Finding) -> str:
    if not found.named:
        return f"Nobody could be named: no identity's removal stands out in {_all(found.seeds)}"
    noun = "Identity" if len(found.named) == 1 else "Identities"
    seeds = f"{found.seeds} of {found.seeds} seeds agree" if found.seeds > 1 else "one seed"
    return f"{noun} {listed(found.named)} moved the model from round {found.since} on ({seeds})"


def _cost(found: Finding) -> str:
    mean, low, high = difference(found.attack_free, found.attacked)
    if low > 0 or found.seeds == 1:
        return f"the attack costs the mean {_points(mean)} of accuracy"
    return f"the attack has no significant cost ({mean:+.1f} points [{low:+.1f}, {high:+.1f}])"


def _defence(found: Finding) -> str:
    mean, low, high = difference(found.defended, found.attacked)
    if found.seeds == 1:
        return f"{found.defence} ends {mean:+.1f} points from the mean (one seed has no interval)"
    if low > 0:
        return f"the defence pays: {found.defence} ends {_points(mean)} above the mean"
    if high < 0:
        return f"the defence does not pay: {found.defence} ends {_points(-mean)} below the mean"
    gap = f"{mean:+.1f} points [{low:+.1f}, {high:+.1f}]"
    return f"it is undecided whether the defence pays: {found.defence} ends {gap} from the mean"


def _grounds(found: Finding) -> list[str]:
    weakest = f"The weakest of the named is {found.weakest:.1f} below; " if found.named else ""
    grounds = [
        "Certainty: an identity is named if its removal, as one backward pass through the training predicts it, lowers "
        f"the final loss by more than {found.limit:g} robust standard deviations beyond the median identity in "
        f"{_all(found.seeds)}. The named are removed and the others tested again, until nobody stands out. "
        f"{weakest}the most suspicious of the others is {max(found.suspect, 0):.1f} below. In the attack-free "
        f"training the same procedure names {found.false_alarms or 'nobody'}.",
        f"Cost: test accuracy of the mean is {_share(found.attack_free)} without an attack and "
        f"{_share(found.attacked)} with it (difference {_interval(found.attack_free, found.attacked)}).",
    ]
    if found.named:
        grounds.append(
            f"Joint effect: with all {len(found.named)} named removed and everything else replayed exactly it is "
            f"{_share(found.removed)} ({_interval(found.removed, found.attacked)} against the attacked training)."
        )
    grounds += [
        f"Value of the defence: {found.defence} reaches {_share(found.defended)} under attack "
        f"({_interval(found.defended, found.attacked)} against the mean) and {_share(found.defended_free)} without one "
        f"({_interval(found.defended_free, found.attack_free)} against the mean).",
        _truth(found),
    ]
    return [ground[0].upper() + ground[1:] for ground in grounds]


def _truth(found: Finding) -> str:
    right = len(set(found.named) & set(found.byzantine))
    return (
        f"The truth, which only the simulation knows: {len(found.byzantine)} identities are Byzantine; {right} of them "
        f"are named, {len(found.byzantine) - right} missed, and {len(found.named) - right} honest ones accused."
    )


def difference(left: np.ndarray, right: np.ndarray) -> tuple[float, float, float]:
    """`left - right` in points: the mean over pairs and its 95 % interval (nan with one pair)."""
    gap = 100 * (np.asarray(left, float) - np.asarray(right, float))
    low, high = t_interval(gap) if len(gap) > 1 else (np.nan, np.nan)
    return float(gap.mean()), float(low), float(high)


def listed(identities: Sequence[int]) -> str:
    """`54 to 63`, `3, 5 and 9`: three neighbours or more become a range."""
    parts: list[list[int]] = []
    for one in sorted(identities):
        if parts and one == parts[-1][-1] + 1:
            parts[-1].append(one)
        else:
            parts.append([one])
    words = [word for part in parts for word in ([f"{part[0]} to {part[-1]}"] if len(part) > 2 else map(str, part))]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _interval(left: np.ndarray, right: np.ndarray) -> str:
    mean, low, high = difference(left, right)
    return f"{mean:+.1f} points" + (f" [{low:+.1f}, {high:+.1f}]" if np.isfinite(low) else "")


def _share(values: np.ndarray) -> str:
    return f"{np.mean(values):.1%}"


def _points(value: float) -> str:
    return f"{value:.1f} points"


def _all(seeds: int) -> str:
    return "every seed" if seeds > 1 else "the one seed"
