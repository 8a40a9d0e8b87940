------------------------- MODULE SpotCheckBisection -------------------------
(* A disputed result is halved until one step is left, which is executed.    *)
(* st: 0 open, 1 pending, 2 disputed, 3 accepted, 4 rejected. res: 1 good,   *)
(* 2 bad. who: 1 the honest verifier, 2 a colluder. mid: 0 awaited, 1 a true *)
(* answer, 2 a false one. Honest moves arrive within L of R ticks.           *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers

CONSTANTS S, D, R, L, G, Bug
VARIABLES res, st, win, seen, wb, vb, cb, who, lo, hi, atlo, athi, mid, clock

game == <<who, lo, hi, atlo, athi, mid, clock>>
vars == <<res, st, win, seen, wb, vb, cb, game>>
Max(a, b) == IF a > b THEN a ELSE b

Init == /\ res = 0 /\ st = 0 /\ win = 0 /\ seen = 0 /\ wb = 0 /\ vb = 1 /\ cb = G
        /\ who = 0 /\ lo = 0 /\ hi = 0 /\ atlo = 0 /\ athi = 0 /\ mid = 0 /\ clock = 0

Knows == st = 1 /\ seen = 1 /\ res = 2 /\ win > 0
Playing == st = 2 /\ hi - lo > 1
HonestTurn == Playing /\ (IF mid = 0 THEN res = 1 ELSE who = 1)

Claim(g) == /\ st = 0
            /\ res' = g /\ st' = 1 /\ win' = D /\ wb' = 1
            /\ UNCHANGED <<seen, vb, cb, game>>

Tick == LET waits == st = 1 /\ win > 0 /\ ~Knows
            thinks == Playing /\ clock > 0 /\ ~(HonestTurn /\ clock <= R - L)
        IN  /\ IF waits THEN TRUE ELSE thinks
            /\ win' = IF st = 1 \/ Bug = 2 THEN Max(win - 1, 0) ELSE win
            /\ clock' = IF st = 2 THEN clock - 1 ELSE clock
            /\ UNCHANGED <<res, st, seen, wb, vb, cb, who, lo, hi, atlo, athi, mid>>

Sample == /\ st \in 1 .. 2 /\ seen = 0 /\ win > 0
          /\ seen' = 1
          /\ UNCHANGED <<res, st, win, wb, vb, cb, game>>

Challenge == /\ Knows /\ vb = 1
             /\ st' = 2 /\ who' = 1
             /\ lo' = 0 /\ hi' = S /\ atlo' = 1 /\ athi' = IF res = 1 THEN 1 ELSE 0
             /\ mid' = 0 /\ clock' = R
             /\ UNCHANGED <<res, win, seen, wb, vb, cb>>

Grief == /\ st = 1 /\ win > 0 /\ cb > 0
         /\ st' = 2 /\ who' = 2
         /\ lo' = 0 /\ hi' = S /\ atlo' = 1 /\ athi' = IF res = 1 THEN 1 ELSE 0
         /\ mid' = 0 /\ clock' = R
         /\ UNCHANGED <<res, win, seen, wb, vb, cb>>

Reset == IF Bug = 4 THEN clock ELSE R

Answer == /\ Playing /\ mid = 0 /\ res = 1
          /\ mid' = 1 /\ clock' = Reset
          /\ UNCHANGED <<res, st, win, seen, wb, vb, cb, who, lo, hi, atlo, athi>>

BadAnswer(g) == /\ Playing /\ mid = 0 /\ res = 2
                /\ mid' = g /\ clock' = Reset
                /\ UNCHANGED <<res, st, win, seen, wb, vb, cb, who, lo, hi, atlo, athi>>

Middle == IF Bug = 6 THEN lo + 1 ELSE (lo + hi) \div 2
True == IF mid = 1 THEN 1 ELSE 0
Upper(agrees) == IF Bug = 5 THEN ~agrees ELSE agrees

Respond == /\ Playing /\ mid > 0 /\ who = 1
           /\ lo' = IF Upper(mid = 1) THEN Middle ELSE lo
           /\ atlo' = IF Upper(mid = 1) THEN True ELSE atlo
           /\ hi' = IF Upper(mid = 1) THEN hi ELSE Middle
           /\ athi' = IF Upper(mid = 1) THEN athi ELSE True
           /\ mid' = 0 /\ clock' = Reset
           /\ UNCHANGED <<res, st, win, seen, wb, vb, cb, who>>

BadRespond(a) == /\ Playing /\ mid > 0 /\ who = 2
                 /\ lo' = IF Upper(a = 1) THEN Middle ELSE lo
                 /\ atlo' = IF Upper(a = 1) THEN True ELSE atlo
                 /\ hi' = IF Upper(a = 1) THEN hi ELSE Middle
                 /\ athi' = IF Upper(a = 1) THEN athi ELSE True
                 /\ mid' = 0 /\ clock' = Reset
                 /\ UNCHANGED <<res, st, win, seen, wb, vb, cb, who>>

Judge == /\ st = 2 /\ hi - lo = 1
         /\ st' = IF atlo # athi THEN 4 ELSE IF Bug = 1 THEN 3 ELSE 1
         /\ wb' = IF atlo # athi THEN 0 ELSE wb
         /\ vb' = IF atlo = athi /\ who = 1 THEN 0 ELSE vb
         /\ cb' = IF atlo = athi /\ who = 2 THEN cb - 1 ELSE cb
         /\ who' = 0 /\ lo' = 0 /\ hi' = 0 /\ atlo' = 0 /\ athi' = 0 /\ mid' = 0 /\ clock' = 0
         /\ UNCHANGED <<res, win, seen>>

Timeout == /\ Playing /\ clock <= (IF Bug = 3 THEN R - L ELSE 0)
           /\ st' = IF mid = 0 THEN 4 ELSE 1
           /\ wb' = IF mid = 0 THEN 0 ELSE wb
           /\ vb' = IF mid > 0 /\ who = 1 THEN 0 ELSE vb
           /\ cb' = IF mid > 0 /\ who = 2 THEN cb - 1 ELSE cb
           /\ who' = 0 /\ lo' = 0 /\ hi' = 0 /\ atlo' = 0 /\ athi' = 0 /\ mid' = 0 /\ clock' = 0
           /\ UNCHANGED <<res, win, seen>>

Finalize == /\ st = 1 /\ win = 0
            /\ st' = 3
            /\ UNCHANGED <<res, win, seen, wb, vb, cb, game>>

Next == \/ \E g \in 1 .. 2 : Claim(g)
        \/ Tick
        \/ Sample
        \/ Challenge
        \/ Grief
        \/ Answer
        \/ \E g \in 1 .. 2 : BadAnswer(g)
        \/ Respond
        \/ \E a \in 0 .. 1 : BadRespond(a)
        \/ Judge
        \/ Timeout
        \/ Finalize

Spec == /\ Init /\ [][Next]_vars
        /\ WF_vars(Tick) /\ WF_vars(Judge) /\ WF_vars(Timeout) /\ WF_vars(Finalize)
        /\ WF_vars(Challenge) /\ WF_vars(Answer) /\ WF_vars(Respond)

SampledBadNeverAccepted == ~(seen = 1 /\ res = 2 /\ st = 3)
HonestWorkerKeepsBond == res = 1 => wb = 1
HonestVerifierSafe == vb = 1
HonestDisputeBrackets == who = 1 => atlo = 1 /\ athi = 0
IntervalHalves == [][(st = 2 /\ st' = 2) =>
                       \/ hi' - lo' = hi - lo
                       \/ 2 * (hi' - lo') = hi - lo]_vars
ClaimIsSettled == (st = 1) ~> (st >= 3)
SampledBadIsRejected == (res = 2 /\ seen = 1) ~> (st = 4)
===============================================================================
