"""Admission: identities cost stake, so that splitting money over identities gains no influence."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Principals, identity slots, money of each principal, cap on the weight of one identity."""

    principals: int = 2
    slots: int = 3
    budget: int = 2
    cap: int = 1


class State(NamedTuple):
    """Per slot: owner, status (0 free, 1 pending, 2 active, 3 unbonding), stake, weight, used this round; per
    principal: money left, influence spent this round."""

    owner: Any
    st: Any
    stake: Any
    w: Any
    bud: Any
    infl: Any
    used: Any


FREE, PENDING, ACTIVE, UNBONDING = range(4)
CAP_SKIPPED_ON_TOPUP, WEIGHT_KEPT, INSTANT_UNBOND, REFUND_TWICE = 1, 2, 3, 4


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    p, k, money, cap = bounds.principals, bounds.slots, bounds.budget, bounds.cap

    def register(s: State, who: Any, slot: Any, bug: Any) -> tuple[Any, State]:
        return (s.st[slot] == FREE) & (s.bud[who] >= 1), s._replace(
            owner=s.owner.at[slot].set(who),
            st=s.st.at[slot].set(PENDING),
            stake=s.stake.at[slot].set(1),
            bud=s.bud.at[who].add(-1),
        )

    def admit(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        return s.st[slot] == PENDING, s._replace(
            st=s.st.at[slot].set(ACTIVE), w=s.w.at[slot].set(jnp.minimum(s.stake[slot], cap))
        )

    def top_up(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        who, stake = s.owner[slot], s.stake[slot] + 1
        return (s.st[slot] == ACTIVE) & (s.bud[who] >= 1), s._replace(
            stake=s.stake.at[slot].set(stake),
            bud=s.bud.at[who].add(-1),
            w=s.w.at[slot].set(jnp.where(bug == CAP_SKIPPED_ON_TOPUP, stake, s.w[slot])),
        )

    def contribute(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        return (s.st[slot] == ACTIVE) & (s.used[slot] == 0), s._replace(
            infl=s.infl.at[s.owner[slot]].add(s.w[slot]), used=s.used.at[slot].set(1)
        )

    def leave(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        refunds = (bug == WEIGHT_KEPT) | (bug == INSTANT_UNBOND)
        frees = bug == INSTANT_UNBOND
        who = s.owner[slot]
        return s.st[slot] == ACTIVE, s._replace(
            st=s.st.at[slot].set(jnp.where(frees, FREE, UNBONDING)),
            w=s.w.at[slot].set(jnp.where(bug == WEIGHT_KEPT, s.w[slot], 0)),
            stake=s.stake.at[slot].set(jnp.where(refunds, 0, s.stake[slot])),
            bud=s.bud.at[who].add(jnp.where(refunds | (bug == REFUND_TWICE), s.stake[slot], 0)),
            used=s.used.at[slot].set(jnp.where(frees, 0, s.used[slot])),
            owner=s.owner.at[slot].set(jnp.where(frees, 0, who)),
        )

    def end_round(s: State, bug: Any) -> tuple[Any, State]:
        freed = s.st == UNBONDING
        back = jnp.where(freed, s.stake, 0)
        mine = s.owner[None, :] == jnp.arange(p, dtype=jnp.int32)[:, None]
        return jnp.asarray(True), State(
            owner=jnp.where(freed, 0, s.owner),
            st=jnp.where(freed, FREE, s.st),
            stake=jnp.where(freed, 0, s.stake),
            w=jnp.where(freed, 0, s.w),
            bud=s.bud + jnp.where(mine, back[None, :], 0).sum(1),
            infl=jnp.zeros_like(s.infl),
            used=jnp.zeros_like(s.used),
        )

    zero = np.zeros(k, np.int32)
    pending = lambda s: s.st[0] == PENDING
    return Spec(
        name="admission",
        statement="Nobody moves a round by more than their stake, however many identities they split it over.",
        state=State,
        variables={
            "owner": Var((k,), p - 1), "st": Var((k,), 3), "stake": Var((k,), money), "w": Var((k,), money),
            "bud": Var((p,), money), "infl": Var((p,), 2 * money + 1), "used": Var((k,), 1),
        },
        init=[State(zero, zero, zero, zero, np.full(p, money, np.int32), np.zeros(p, np.int32), zero)],
        actions=(
            Action("Register", register, {"p": p, "k": k}),
            Action("Admit", admit, {"k": k}),
            Action("TopUp", top_up, {"k": k}),
            Action("Contribute", contribute, {"k": k}),
            Action("Exit", leave, {"k": k}),
            Action("EndRound", end_round),
        ),
        invariants={
            "BoundedInfluence": lambda s: (s.w <= cap).all(),
            "SybilBound": lambda s: (s.infl <= money).all(),
            "BackedByStake": lambda s: (s.w <= s.stake).all(),
            "Conservation": lambda s: s.bud.sum() + s.stake.sum() == p * money,
        },
        witnesses={
            "someone contributes": lambda s: (s.infl > 0).any(),
            "a principal holds two active identities": lambda s: jnp.any(
                ((s.owner[None, :] == jnp.arange(p, dtype=jnp.int32)[:, None]) & (s.st == ACTIVE)[None, :]).sum(1) >= 2
            ),
        },
        leads_to=(
            LeadsTo("PendingIsAdmitted", pending, lambda s: ~pending(s), (Fair("Admit", True),)),
            # Another slot may be admitted and recycled for ever.
            LeadsTo("PendingIsAdmittedByUnionFairness", pending, lambda s: ~pending(s), (Fair("Admit"),), holds=False),
            LeadsTo("UnbondingIsFreed", lambda s: s.st[0] == UNBONDING, lambda s: s.st[0] == FREE, (Fair("EndRound"),)),
        ),
        mutants=(
            Mutant("cap_skipped_on_topup", CAP_SKIPPED_ON_TOPUP, "BoundedInfluence", 4),
            Mutant("weight_kept", WEIGHT_KEPT, "BackedByStake", 4),
            Mutant("instant_unbond", INSTANT_UNBOND, "SybilBound", 11),
            Mutant("refund_twice", REFUND_TWICE, "Conservation", 4),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Identity slots are interchangeable."""
    return (Symmetry({"owner": 0, "st": 0, "stake": 0, "w": 0, "used": 0}, 0, bounds.slots),)
