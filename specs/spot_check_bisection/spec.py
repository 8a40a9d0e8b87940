"""A disputed result is halved until one step is left: against colluding verifiers, late answers and stalling."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp

from ghostjax.formal import Action, Fair, LeadsTo, Mutant, Spec, Var


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Steps of the computation (a power of two), challenge window, ticks that a move may take, ticks that the network
    may delay an honest one, verifiers who collude."""

    steps: int = 8
    window: int = 2
    clock: int = 2
    delay: int = 1
    colluders: int = 2


class State(NamedTuple):
    """Result (0 none, 1 good, 2 bad), status, window left; sampled by the honest verifier, worker's and honest
    verifier's bond, colluders who still have theirs. A dispute: who challenged (0 nobody, 1 the honest verifier, 2 a
    colluder), the interval, whether the claims at its ends are true, the answer at its middle (0 awaited, 1 true,
    2 false), ticks left for the move."""

    res: Any
    st: Any
    win: Any
    seen: Any
    wb: Any
    vb: Any
    cb: Any
    who: Any
    lo: Any
    hi: Any
    at_lo: Any
    at_hi: Any
    mid: Any
    clock: Any


OPEN, PENDING, DISPUTED, ACCEPTED, REJECTED = range(5)
GOOD, BAD = 1, 2
HONEST, COLLUDER = 1, 2
ONE_DISPUTE_SETTLES, WINDOW_RUNS_IN_DISPUTE, DEADLINE_TOO_SHORT = 1, 2, 3
CLOCK_NOT_RESET, KEEPS_WRONG_HALF, UNEVEN_HALVES = 4, 5, 6


def spec(bounds: Bounds = Bounds()) -> Spec:
    """The protocol at `bounds`. Honest moves are fair, those of others happen if they like."""
    steps, window, limit, delay = bounds.steps, bounds.window, bounds.clock, bounds.delay
    one, none = jnp.int32(1), jnp.int32(0)

    def knows(s: State) -> Any:
        """The honest verifier has found a bad result that it may still challenge."""
        return (s.st == PENDING) & (s.seen == 1) & (s.res == BAD) & (s.win > 0)

    def playing(s: State) -> Any:
        return (s.st == DISPUTED) & (s.hi - s.lo > 1)

    def honest_turn(s: State) -> Any:
        worker, challenger = (s.mid == 0) & (s.res == GOOD), (s.mid > 0) & (s.who == HONEST)
        return playing(s) & (worker | challenger)

    def closed(s: State) -> State:
        """Back to waiting, whoever challenged being gone."""
        return s._replace(
            st=jnp.int32(PENDING), who=none, lo=none, hi=none, at_lo=none, at_hi=none, mid=none, clock=none
        )

    def challenger_loses(s: State) -> State:
        return closed(s._replace(vb=jnp.where(s.who == HONEST, 0, s.vb), cb=s.cb - jnp.where(s.who == COLLUDER, 1, 0)))

    def worker_loses(s: State) -> State:
        return closed(s._replace(wb=none))._replace(st=jnp.int32(REJECTED))

    def either(condition: Any, a: State, b: State) -> State:
        return State(*(jnp.where(condition, x, y) for x, y in zip(a, b, strict=True)))

    def claim(s: State, g: Any, bug: Any) -> tuple[Any, State]:
        return s.st == OPEN, s._replace(res=g + 1, st=jnp.int32(PENDING), win=jnp.int32(window), wb=one)

    def tick(s: State, bug: Any) -> tuple[Any, State]:
        # Synchrony: an honest verifier challenges at once, an honest move arrives after `delay` ticks at most.
        waits = (s.st == PENDING) & (s.win > 0) & ~knows(s)
        thinks = playing(s) & (s.clock > 0) & ~(honest_turn(s) & (s.clock <= limit - delay))
        runs = waits | ((s.st == DISPUTED) & (bug == WINDOW_RUNS_IN_DISPUTE))
        return waits | thinks, s._replace(
            win=jnp.where(runs, jnp.maximum(s.win - 1, 0), s.win),
            clock=jnp.where(s.st == DISPUTED, jnp.maximum(s.clock - 1, 0), s.clock),
        )

    def sample(s: State, bug: Any) -> tuple[Any, State]:
        here = (s.st == PENDING) | (s.st == DISPUTED)
        return here & (s.seen == 0) & (s.win > 0), s._replace(seen=one)

    def opened(s: State, who: int) -> State:
        return s._replace(
            st=jnp.int32(DISPUTED), who=jnp.int32(who), lo=none, hi=jnp.int32(steps), at_lo=one,
            at_hi=jnp.where(s.res == GOOD, 1, 0), mid=none, clock=jnp.int32(limit),
        )  # fmt: skip

    def challenge(s: State, bug: Any) -> tuple[Any, State]:
        return knows(s) & (s.vb == 1), opened(s, HONEST)

    def grief(s: State, bug: Any) -> tuple[Any, State]:
        return (s.st == PENDING) & (s.win > 0) & (s.cb > 0), opened(s, COLLUDER)

    def answered(s: State, g: Any, bug: Any) -> State:
        return s._replace(mid=g + 1, clock=jnp.where(bug == CLOCK_NOT_RESET, s.clock, limit))

    def answer(s: State, bug: Any) -> tuple[Any, State]:
        return playing(s) & (s.mid == 0) & (s.res == GOOD), answered(s, none, bug)

    def bad_answer(s: State, g: Any, bug: Any) -> tuple[Any, State]:
        return playing(s) & (s.mid == 0) & (s.res == BAD), answered(s, g, bug)

    def halved(s: State, agrees: Any, bug: Any) -> State:
        middle = jnp.where(bug == UNEVEN_HALVES, s.lo + 1, (s.lo + s.hi) // 2)
        true = jnp.where(s.mid == 1, 1, 0)
        upper = agrees != (bug == KEEPS_WRONG_HALF)
        return s._replace(
            lo=jnp.where(upper, middle, s.lo), at_lo=jnp.where(upper, true, s.at_lo),
            hi=jnp.where(upper, s.hi, middle), at_hi=jnp.where(upper, s.at_hi, true),
            mid=none, clock=jnp.where(bug == CLOCK_NOT_RESET, s.clock, limit),
        )  # fmt: skip

    def respond(s: State, bug: Any) -> tuple[Any, State]:
        return playing(s) & (s.mid > 0) & (s.who == HONEST), halved(s, s.mid == 1, bug)

    def bad_respond(s: State, a: Any, bug: Any) -> tuple[Any, State]:
        return playing(s) & (s.mid > 0) & (s.who == COLLUDER), halved(s, a == 1, bug)

    def judge(s: State, bug: Any) -> tuple[Any, State]:
        # One step is executed: from a true state it leads to a true one; a liar keeps the rest consistent.
        won = challenger_loses(s)
        won = won._replace(st=jnp.where(bug == ONE_DISPUTE_SETTLES, ACCEPTED, won.st))
        return (s.st == DISPUTED) & (s.hi - s.lo == 1), either(s.at_lo == s.at_hi, won, worker_loses(s))

    def timeout(s: State, bug: Any) -> tuple[Any, State]:
        late = s.clock <= jnp.where(bug == DEADLINE_TOO_SHORT, limit - delay, 0)
        return playing(s) & late, either(s.mid == 0, worker_loses(s), challenger_loses(s))

    def finalize(s: State, bug: Any) -> tuple[Any, State]:
        return (s.st == PENDING) & (s.win == 0), s._replace(st=jnp.int32(ACCEPTED))

    def halves(s: State, t: State) -> Any:
        before, after = s.hi - s.lo, t.hi - t.lo
        return (s.st != DISPUTED) | (t.st != DISPUTED) | (after == before) | (2 * after == before)

    settled = lambda s: s.st >= ACCEPTED
    pending = lambda s: s.st == PENDING
    honest = (Fair("Challenge"), Fair("Answer"), Fair("Respond"))
    rules = (Fair("Tick"), Fair("Judge"), Fair("Finalize"))
    late = (Fair("Timeout"),)
    return Spec(
        name="spot_check_bisection",
        statement="A bad result that was sampled is rejected, and no honest party loses its bond, whoever colludes.",
        state=State,
        variables={
            "res": Var((), 2), "st": Var((), 4), "win": Var((), window), "seen": Var((), 1), "wb": Var((), 1),
            "vb": Var((), 1), "cb": Var((), bounds.colluders), "who": Var((), 2), "lo": Var((), steps),
            "hi": Var((), steps), "at_lo": Var((), 1), "at_hi": Var((), 1), "mid": Var((), 2),
            "clock": Var((), limit),
        },
        init=[State(0, OPEN, 0, 0, 0, 1, bounds.colluders, 0, 0, 0, 0, 0, 0, 0)],
        actions=(
            Action("Claim", claim, {"g": 2}),
            Action("Tick", tick),
            Action("Sample", sample),
            Action("Challenge", challenge),
            Action("Grief", grief),
            Action("Answer", answer),
            Action("BadAnswer", bad_answer, {"g": 2}),
            Action("Respond", respond),
            Action("BadRespond", bad_respond, {"a": 2}),
            Action("Judge", judge),
            Action("Timeout", timeout),
            Action("Finalize", finalize),
        ),
        invariants={
            "SampledBadNeverAccepted": lambda s: ~((s.seen == 1) & (s.res == BAD) & (s.st == ACCEPTED)),
            "HonestWorkerKeepsBond": lambda s: (s.res != GOOD) | (s.wb == 1),
            "HonestVerifierSafe": lambda s: s.vb == 1,
            "HonestDisputeBrackets": lambda s: (s.who != HONEST) | ((s.at_lo == 1) & (s.at_hi == 0)),
        },
        steps={"IntervalHalves": halves},
        witnesses={
            "a bad result is rejected after the last step": lambda s: (s.st == DISPUTED) & (s.hi - s.lo == 1)
            & (s.who == HONEST),
            "a colluder loses on purpose": lambda s: pending(s) & (s.res == BAD) & (s.cb < bounds.colluders),
            "sampled good, and challenged": lambda s: (s.res == GOOD) & (s.seen == 1) & (s.who == COLLUDER),
            "an unsampled bad result slips through": lambda s: (s.res == BAD) & (s.st == ACCEPTED),
            "an honest answer is late": lambda s: honest_turn(s) & (s.clock == limit - delay),
        },
        leads_to=(
            LeadsTo("ClaimIsSettled", pending, settled, (*rules, *honest, *late)),
            LeadsTo("SampledBadIsRejected", lambda s: (s.res == BAD) & (s.seen == 1), lambda s: s.st == REJECTED,
                    (*rules, *honest, *late)),
            # A party without a deadline stalls; an honest verifier who does not challenge holds the window open.
            LeadsTo("ClaimIsSettledWithoutDeadlines", pending, settled, (*rules, *honest), holds=False),
            LeadsTo("ClaimIsSettledUnchallenged", pending, settled, (*rules, *honest[1:], *late), holds=False),
        ),
        mutants=(
            Mutant("one_dispute_settles", ONE_DISPUTE_SETTLES, "SampledBadNeverAccepted", 11),
            Mutant("window_runs_in_dispute", WINDOW_RUNS_IN_DISPUTE, "SampledBadNeverAccepted", 9),
            Mutant("deadline_too_short", DEADLINE_TOO_SHORT, "HonestWorkerKeepsBond", 5),
            Mutant("clock_not_reset", CLOCK_NOT_RESET, "HonestVerifierSafe", 8, ("HonestVerifierSafe",)),
            Mutant("keeps_wrong_half", KEEPS_WRONG_HALF, "HonestDisputeBrackets", 6),
            Mutant("uneven_halves", UNEVEN_HALVES, "IntervalHalves", 5),
        ),
    )  # fmt: skip


def nightly() -> Spec:
    """A long computation, three colluders, moves that take longer."""
    return spec(Bounds(steps=64, window=4, clock=4, delay=2, colluders=4))._replace(mutants=())
