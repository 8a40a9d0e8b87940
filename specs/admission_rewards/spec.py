"""Admission with rewards, rejection and revocation: money made by influence buys no more than it is worth."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Symmetry, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Principals (persons), identity slots, money of each principal, largest stake to enter with, cap on the weight
    of one identity, money in the pool that pays rewards."""

    principals: int = 2
    slots: int = 2
    budget: int = 2
    entry: int = 2
    cap: int = 2
    pool: int = 1


class State(NamedTuple):
    """Per slot: owner, status (0 free, 1 pending, 2 active, 3 unbonding), stake, weight, used this round; per
    principal: proof of personhood stands, money left, influence spent this round, wealth when it began; the pool."""

    owner: Any
    st: Any
    stake: Any
    w: Any
    used: Any
    pop: Any
    bud: Any
    infl: Any
    start: Any
    pool: Any


FREE, PENDING, ACTIVE, UNBONDING = range(4)
CAP_SKIPPED_ON_TOPUP, PAID_AT_ONCE, LATE_REJECTION, ADMITS_REVOKED = 1, 2, 3, 4
CONFISCATES_AT_ONCE, PAID_BY_STAKE, REFUNDS_REVOKED = 5, 6, 7


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`."""
    p, k, cap = bounds.principals, bounds.slots, bounds.cap
    total = p * bounds.budget + bounds.pool
    people = np.arange(p, dtype=np.int32)[:, None]

    def owned(s: State, amount: Any) -> Any:
        """Per principal the sum of `amount` over the slots it owns."""
        return jnp.where(s.owner[None, :] == people, amount[None, :], 0).sum(1)

    def wealth(s: State) -> Any:
        return s.bud + owned(s, s.stake)

    def register(s: State, who: Any, slot: Any, more: Any, bug: Any) -> tuple[Any, State]:
        return (s.st[slot] == FREE) & (s.bud[who] > more) & (s.pop[who] == 1), s._replace(
            owner=s.owner.at[slot].set(who),
            st=s.st.at[slot].set(PENDING),
            stake=s.stake.at[slot].set(more + 1),
            bud=s.bud.at[who].add(-(more + 1)),
        )

    def admit(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        stands = (s.pop[s.owner[slot]] == 1) | (bug == ADMITS_REVOKED)
        return (s.st[slot] == PENDING) & stands, s._replace(
            st=s.st.at[slot].set(ACTIVE), w=s.w.at[slot].set(jnp.minimum(s.stake[slot], cap))
        )

    def reject(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        # What was never admitted had no influence: its stake goes back at once.
        late = (bug == LATE_REJECTION) & (s.st[slot] == ACTIVE)
        return (s.st[slot] == PENDING) | late, s._replace(
            owner=s.owner.at[slot].set(0),
            st=s.st.at[slot].set(FREE),
            stake=s.stake.at[slot].set(0),
            w=s.w.at[slot].set(0),
            used=s.used.at[slot].set(0),
            bud=s.bud.at[s.owner[slot]].add(s.stake[slot]),
        )

    def top_up(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        who, stake = s.owner[slot], s.stake[slot] + 1
        return (s.st[slot] == ACTIVE) & (s.bud[who] >= 1), s._replace(
            stake=s.stake.at[slot].set(stake),
            bud=s.bud.at[who].add(-1),
            w=s.w.at[slot].set(jnp.where(bug == CAP_SKIPPED_ON_TOPUP, stake, s.w[slot])),
        )

    def contribute(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        who = s.owner[slot]
        now = jnp.where(bug == PAID_AT_ONCE, jnp.minimum(s.w[slot], s.pool), 0)
        return (s.st[slot] == ACTIVE) & (s.used[slot] == 0), s._replace(
            infl=s.infl.at[who].add(s.w[slot]),
            used=s.used.at[slot].set(1),
            bud=s.bud.at[who].add(now),
            pool=s.pool - now,
        )

    def leave(s: State, slot: Any, bug: Any) -> tuple[Any, State]:
        return s.st[slot] == ACTIVE, s._replace(st=s.st.at[slot].set(UNBONDING), w=s.w.at[slot].set(0))

    def revoke(s: State, who: Any, bug: Any) -> tuple[Any, State]:
        mine = (s.owner == who) & (s.st == ACTIVE)
        early = bug == CONFISCATES_AT_ONCE
        taken = jnp.where(mine & early, s.stake, 0)
        back = jnp.where(mine & (bug == REFUNDS_REVOKED), s.stake, 0)
        return s.pop[who] == 1, s._replace(
            pop=s.pop.at[who].set(0),
            st=jnp.where(mine & ~early, UNBONDING, s.st),
            w=jnp.where(mine & ~early, 0, s.w),
            stake=s.stake - taken,
            pool=s.pool + taken.sum(),
            bud=s.bud.at[who].add(back.sum()),
        )

    def end_round(s: State, bug: Any) -> tuple[Any, State]:
        freed = s.st == UNBONDING
        stands = s.pop[s.owner] == 1
        back = jnp.where(freed & stands, s.stake, 0)
        seized = jnp.where(freed & ~stands, s.stake, 0).sum()
        due = jnp.where(bug == PAID_BY_STAKE, owned(s, jnp.where(s.used == 1, s.stake, 0)), s.infl)
        due = jnp.where(s.pop == 1, due, 0)
        due = jnp.where((due.sum() <= s.pool) & (bug != PAID_AT_ONCE), due, 0)
        after = s._replace(
            owner=jnp.where(freed, 0, s.owner),
            st=jnp.where(freed, FREE, s.st),
            stake=jnp.where(freed, 0, s.stake),
            w=jnp.where(freed, 0, s.w),
            used=jnp.zeros_like(s.used),
            bud=s.bud + owned(s, back) + due,
            infl=jnp.zeros_like(s.infl),
            pool=s.pool - due.sum() + seized,
        )
        return jnp.asarray(True), after._replace(start=wealth(after))

    zero, nobody = np.zeros(k, np.int32), np.zeros(p, np.int32)
    money = nobody + bounds.budget
    each = {"k": k}
    pending = lambda s: s.st[0] == PENDING
    inside = lambda s: (s.pop[0] == 0) & (owned(s, s.stake)[0] > 0)
    decided = (Fair("Admit", True), Fair("Reject", True))
    return Spec(
        name="admission_rewards",
        statement="Nobody moves a round by more than they own, though influence earns money and people are rejected.",
        state=State,
        variables={
            "owner": Var((k,), p - 1), "st": Var((k,), 3), "stake": Var((k,), total), "w": Var((k,), total),
            "used": Var((k,), 1), "pop": Var((p,), 1), "bud": Var((p,), 2 * total), "infl": Var((p,), 2 * total),
            "start": Var((p,), 2 * total), "pool": Var((), total),
        },
        init=[State(zero, zero, zero, zero, zero, nobody + 1, money, nobody, money, bounds.pool)],
        actions=(
            Action("Register", register, {"p": p, "k": k, "s": bounds.entry}),
            Action("Admit", admit, each),
            Action("Reject", reject, each),
            Action("TopUp", top_up, each),
            Action("Contribute", contribute, each),
            Action("Exit", leave, each),
            Action("Revoke", revoke, {"p": p}),
            Action("EndRound", end_round),
        ),
        invariants={
            "BoundedInfluence": lambda s: (s.w <= cap).all(),
            "SybilBound": lambda s: (s.infl <= s.start).all(),
            "BackedByStake": lambda s: (s.w <= s.stake).all(),
            "Conservation": lambda s: s.bud.sum() + s.stake.sum() + s.pool == total,
            "RevokedHasNoWeight": lambda s: ((s.pop == 1) | (owned(s, s.w) == 0)).all(),
        },
        steps={"GainIsEarned": lambda s, t: (wealth(t) <= wealth(s) + s.infl).all()},
        witnesses={
            "an identity enters with its full weight": lambda s: (s.w == cap).any(),
            "stake beyond the cap": lambda s: (s.stake > cap).any(),
            "a reward is staked": lambda s: (owned(s, s.stake) > bounds.budget).any(),
            "a revoked applicant": lambda s: pending(s) & (s.pop[s.owner[0]] == 0),
            "what was seized pays others": lambda s: (wealth(s)[0] == 0) & (wealth(s)[1] > bounds.budget + bounds.pool),
        },
        leads_to=(
            LeadsTo("PendingIsDecided", pending, lambda s: ~pending(s), decided),
            LeadsTo("RevokedIsOut", inside, lambda s: ~inside(s), (*decided, Fair("EndRound"))),
            # Somebody has to say no to an applicant who turns out to be nobody.
            LeadsTo("PendingIsDecidedWithoutRejection", pending, lambda s: ~pending(s),
                    (Fair("Admit", True),), holds=False),
        ),
        mutants=(
            Mutant("cap_skipped_on_topup", CAP_SKIPPED_ON_TOPUP, "BoundedInfluence", 7),
            Mutant("paid_at_once", PAID_AT_ONCE, "SybilBound", 7, ("SybilBound",)),
            Mutant("late_rejection", LATE_REJECTION, "SybilBound", 8),
            Mutant("admits_revoked", ADMITS_REVOKED, "RevokedHasNoWeight", 4),
            Mutant("confiscates_at_once", CONFISCATES_AT_ONCE, "BackedByStake", 4),
            Mutant("paid_by_stake", PAID_BY_STAKE, "GainIsEarned", 10),
            Mutant("refunds_revoked", REFUNDS_REVOKED, "Conservation", 4, ("Conservation",)),
        ),
    )  # fmt: skip


def symmetry(bounds: Bounds = Bounds()) -> tuple[Symmetry, ...]:
    """Identity slots are interchangeable."""
    return (Symmetry({"owner": 0, "st": 0, "stake": 0, "w": 0, "used": 0}, 0, bounds.slots),)


def nightly() -> Spec:
    """Three slots and more money: a principal may split it, or grow one identity beyond the cap."""
    return spec(Bounds(slots=3, budget=3))._replace(mutants=())
