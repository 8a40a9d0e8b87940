"""An incident: everything of it is a value."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ghostjax._border import member, shown, whole
from ghostjax._participation import declared, weights_of
from ghostjax._random import root_key
from ghostjax._simulation import Simulation
from ghostjax._types import as_count, require
from ghostjax.attacks import AbstractAttack, During
from ghostjax.charters import AbstractCharter
from ghostjax.detectors import Watch
from ghostjax.metrics import Charter


@dataclasses.dataclass(frozen=True, eq=False)
class Incident:
    """A network that nobody owns, of which one principal owns several identities and moves the model a little.

    `simulation` is the network without an adversary: task, protocol, rule, learner, identity, channel. `owner` says who
    stands behind every identity: a whole number K (the last K belong to one principal, all others to themselves) or an
    array `[n]`; the principal that owns most identities is the adversary, the lowest number among equals. From round
    `t0` on its identities carry out `adversary`. `charter` is the goal that it acts against; its loss on the audit
    set is the harm. `watches` are detectors by name: `alarm` names the one that starts a vote, the others are
    followed. `governance` and `electorate` decide in the round (a `governance.Council`, of which the first matter
    counts); without them a verdict is executed `delay` rounds after the alarm. A correction reaches back to `margin`
    rounds before the detector's estimate of the start.

    Nothing is played: `gj.incident.calibrate`, `play`, `name`, `repair` and `table` do.

    **Errors:** `ConfigurationError` for a simulation that has an adversary or detectors of its own, an owner of another
    length, a start beyond the horizon, an alarm that no watch has the name of.
    """

    simulation: Simulation
    adversary: AbstractAttack
    owner: Any
    charter: AbstractCharter
    watches: Mapping[str, Any]
    governance: Any = None
    electorate: Any = None
    t0: int = 80
    rounds: int = 240
    participation: Any = None
    alarm: str = "network"
    delay: int = 16
    margin: int = 5

    def __post_init__(self):
        call = "Incident"
        member(self.simulation, Simulation, call, "simulation")
        member(self.adversary, AbstractAttack, call, "adversary")
        member(self.charter, AbstractCharter, call, "charter")
        n = self.simulation.num_nodes
        idle = not np.asarray(self.simulation.byzantine).any()
        require(
            idle, call, "simulation", "one with Byzantine nodes", "leave byzantine= out; the owner says who they are"
        )
        watched = self.simulation.detectors or self.simulation.governance is not None
        require(
            not watched, call, "simulation", "one with detectors or governance", "give watches= and governance= here"
        )
        for name, low in (("rounds", 1), ("t0", 0), ("delay", 0), ("margin", 0)):
            object.__setattr__(self, name, whole(getattr(self, name), call, name, low=low))
        require(self.t0 < self.rounds, call, "t0", self.t0, f"the run ends after round {self.rounds - 1}")
        object.__setattr__(self, "owner", _principals(self.owner, n))
        object.__setattr__(self, "watches", _watches(self.watches))
        require(self.alarm in self.watches, call, "alarm", repr(self.alarm), f"watches are {sorted(self.watches)}")
        declared(self.participation, "Incident", self._counts)
        self.attacked  # noqa: B018  # a combination that cannot work is refused here

    @property
    def num_nodes(self) -> int:
        """Number of identities n."""
        return self.simulation.num_nodes

    @property
    def owned(self) -> np.ndarray:
        """The identities of the adversary, `[n]` booleans."""
        return self.owner == np.bincount(self.owner).argmax()

    @functools.cached_property
    def attacked(self) -> Simulation:
        """The network with its adversary and watches, as it is played; honest runs have the same program."""
        base = self.simulation
        return Simulation(
            base.task,
            base.protocol,
            learner=base.learner,
            attack=During(self.adversary, as_count(self.t0)),
            byzantine=self.owned,
            metrics=(*base.metrics, Charter(self.charter)),
            identity=base.identity,
            channel=base.channel,
            detectors=self.watches,
            governance=self.governance,
            electorate=self.electorate,
            owner=self.owner,
        )

    @property
    def _counts(self) -> Any:
        return getattr(self.simulation.task, "counts", None)

    def weights(self, key: Any) -> np.ndarray:
        """Who takes part in the run of this root key, `[rounds, n]`."""
        found = declared(self.participation, "Incident", self._counts)
        return np.asarray(weights_of(found, self.rounds, self.num_nodes, "Incident", key=root_key(key, "Incident")))

    def with_thresholds(self, thresholds: Mapping[str, float]) -> "Incident":
        """The same incident whose watches alarm at other evidence."""
        watches = dict(self.watches)
        for name, h in thresholds.items():
            require(name in watches, "Incident", "thresholds", repr(name), f"watches are {sorted(watches)}")
            watch: Any = watches[name]
            watches[name] = eqx.tree_at(lambda one: one.test.h, watch, jnp.asarray(h, watch.test.h.dtype))
        return dataclasses.replace(self, watches=watches)

    def __repr__(self) -> str:
        held = int(self.owned.sum())
        return (
            f"Incident({self.num_nodes} nodes, one principal owns {held}; {self.adversary!r} from round {self.t0} of "
            f"{self.rounds}; watches {', '.join(self.watches)})"
        )


def _watches(watches: Any) -> dict[str, Watch]:
    fits = isinstance(watches, Mapping) and all(isinstance(name, str) for name in watches)
    require(fits, "Incident", "watches", shown(watches), "give a mapping from names to detectors.Watch")
    return {name: member(watch, Watch, "Incident", f"watches[{name!r}]") for name, watch in watches.items()}


def _principals(owner: Any, n: int) -> np.ndarray:
    if np.ndim(owner) == 0:
        count = whole(owner, "Incident", "owner", low=1)
        require(count < n, "Incident", "owner", count, f"of {n} identities some have to be honest")
        return np.where(np.arange(n) < n - count, np.arange(n), n - count).astype(np.int32)
    values = np.asarray(owner)
    fits = values.shape == (n,) and values.dtype.kind in "iu" and bool((values >= 0).all())
    require(fits, "Incident", "owner", shown(owner), f"give the number of a principal for each of {n} identities")
    return values.astype(np.int32)
