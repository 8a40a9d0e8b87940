"""The correctability map: with how many captured members, which quorum and threshold does an incident end?"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ghostjax._border import members, number, shown, whole
from ghostjax._types import require
from ghostjax.governance import passing_probability
from ghostjax.incident._courses import alarms, courses, Deadline
from ghostjax.incident._name import AbstractNaming, Decisive
from ghostjax.incident._outcome import Outcome


CALL = "correctability"


def correctability(
    outcomes: Sequence[Outcome],
    *,
    captured: Sequence[int | float] = (0, 0.25, 0.4, 0.47, 0.55),
    quorum: Sequence[float] = (0.5, 2 / 3),
    threshold: Sequence[float] | None = None,
    epsilon: float = 0.05,
    within: int | None = None,
    by: AbstractNaming | None = None,
    gaps: Any = (),
    rule: Decisive | None = None,
    patience: int = 0,
    honest: Sequence[Outcome] = (),
    participation: float = 0.9,
    accuracy: float = 0.95,
    voting: int = 5,
    timelock: int = 10,
    judged: int = 4,
) -> Any:
    """How probably an incident ends within `epsilon` of the run that never had the owned, by council and threshold.

        replay = mean over runs of  sum_k P (1 - P)^(k - 1) 1[J_k(D) - J*(D) <= epsilon]
                                    + (1 - P)^K 1[J(D) - J*(D) <= epsilon],    D = t0 + within

    J is the charter's loss of the played run, J* that of the run that never had the owned identities, J_k that of the
    replay without those who are named, where the k-th of the K votes before D is the first to pass. `quarantine` is the
    same with the harm at the execution, `J(e_k) - J*(e_k)`, in place of that of the replay: the harm is kept, but for
    what honest learning heals later.

    Only replays are played. There is an alarm in the rounds in which the recorded evidence of the watch
    `incident.alarm` reaches the threshold; verdicts can be executed in `governance.execution_rounds`, and P is
    `governance.passing_probability`: captured members say no, all others come with probability `participation` and
    judge right with `accuracy`. Those are named whom `gj.incident.name(by=, gaps=, rule=, patience=)` names at the
    execution; the first `judged` executions are looked at, later ones take over the names of the last of these. Where
    nobody is named nothing is corrected; where an owned identity is not, quarantine does not end the incident.

    Returns an `xarray.Dataset` over `captured` (members), `quorum` and `threshold`:

    | variable | holds |
    |---|---|
    | `replay`, `quarantine` | the probabilities above |
    | `executed` | the probability that a verdict is executed before D |
    | `passing` | P, by `captured` and `quorum` |
    | `frontier` | by `quorum`: the most captured members with whom a vote can pass, `n - ceil(quorum n)` |
    | `detected`, `named` | by `threshold`: the share of runs with an alarm, and with somebody named, before D |
    | `false_alarms` | by `threshold`: the share of the `honest` outcomes that alarm; nan without any |
    | `nothing` | the share of runs that end within `epsilon` without a correction |

    `captured` are whole numbers of members, or shares as fractions, to the nearest member (halves up). `threshold`
    are values of the evidence, that of the incident unless given. `within` counts rounds, to the end unless given.

    **Guarantee:** with more captured members than `frontier` no vote ever passes, and every cell is `nothing`.
    **Not** in it: powers other than 1, pauses, motions of members, and what the adversary would do under another
    verdict. **Errors:** outcomes of honest runs or under a council; a value out of range; D beyond the horizon.

    ```python
    >>> import ghostjax as gj
    >>> outcomes = gj.incident.play(gj.incident.ghost(rounds=12, t0=6, burn_in=(1, 4)), [0])
    >>> found = gj.incident.correctability(outcomes, captured=[0, 26, 35], quorum=[0.5, 2 / 3])
    >>> found["frontier"].values.tolist(), found["passing"].values.round(3).tolist()
    ([32, 21], [[1.0, 1.0], [0.691, 0.0], [0.0, 0.0]])

    ```
    """
    runs = _attacked(outcomes)
    incident = runs[0].incident
    n, left = incident.num_nodes, incident.rounds - 1 - incident.t0
    counts = [_members(one, n) for one in _each(captured, "captured")]
    quorums = [float(number(one, CALL, "quorum", 0, 1)) for one in _each(quorum, "quorum")]
    present = [float(incident.watches[incident.alarm].test.h)] if threshold is None else _each(threshold, "threshold")
    levels = [float(number(one, CALL, "threshold", 0, inf=True)) for one in present]
    yes = number(participation, CALL, "participation", 0, 1) * number(accuracy, CALL, "accuracy", 0, 1)
    round = incident.t0 + (left if within is None else whole(within, CALL, "within", low=1, high=left))
    deadline = Deadline(round, float(number(epsilon, CALL, "epsilon", 0)))
    votes = whole(voting, CALL, "voting", low=0), whole(timelock, CALL, "timelock", low=0)
    naming = {"by": by, "gaps": gaps, "rule": rule, "patience": patience}
    quiet = members(honest, Outcome, CALL, "honest")

    found = courses(runs, levels, deadline, votes, whole(judged, CALL, "judged", low=1), naming)
    passing = np.array([[passing_probability([yes] * (n - c) + [0] * c, q) for q in quorums] for c in counts])
    ends = np.zeros((3, *passing.shape, len(levels)))
    for level, row in enumerate(found):
        for one in row:
            first = passing[..., None] * (1 - passing[..., None]) ** np.arange(len(one.rounds))
            rest = 1 - first.sum(-1)
            replay, quarantine = (first @ ended + rest * one.nothing for ended in (one.replay, one.quarantine))
            ends[..., level] += np.stack([replay, quarantine, 1 - rest]) / len(runs)

    import xarray as xr

    every = ("captured", "quorum", "threshold")
    return xr.Dataset(
        {
            **{what: (every, one) for what, one in zip(("replay", "quarantine", "executed"), ends, strict=True)},
            "passing": (every[:2], passing),
            "frontier": ("quorum", [n - math.ceil(q * n * (1 - 1e-9)) for q in quorums]),
            **{what: (every[2], _share(found, what)) for what in ("detected", "named")},
            "false_alarms": (every[2], [np.mean([alarms(one, h).any() for one in quiet] or math.nan) for h in levels]),
            "nothing": float(np.mean([one.nothing for one in found[0]])),
        },
        {"captured": counts, "quorum": quorums, "threshold": levels, "share": ("captured", np.array(counts) / n)},
    )


def _share(found: Sequence[Any], what: str) -> list[float]:
    return [float(np.mean([getattr(one, what) for one in row])) for row in found]


def _attacked(outcomes: Any) -> tuple[Outcome, ...]:
    runs = members(outcomes, Outcome, CALL, "outcomes")
    require(len(runs) > 0, CALL, "outcomes", shown(outcomes), "give those of gj.incident.play(incident, keys)")
    for one in runs:
        require(one.attacked, CALL, "outcomes", shown(one), "an honest run is no incident; give these as honest=")
        council = one.incident.governance
        require(council is None, CALL, "outcomes", shown(council), "play the incident without governance=")
    return runs


def _each(values: Any, parameter: str) -> list[Any]:
    fits = np.ndim(values) == 1 and len(values) > 0
    require(fits, CALL, parameter, shown(values), "give a list of at least one number")
    return list(values)


def _members(captured: Any, n: int) -> int:
    if isinstance(captured, float | np.floating):
        return math.floor(float(number(captured, CALL, "captured", 0, 1)) * n + 0.5)
    return whole(captured, CALL, "captured", low=0, high=n)
