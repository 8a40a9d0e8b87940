------------------------------- MODULE SpotCheck -------------------------------
(* st: 0 open, 1 pending, 2 challenged, 3 accepted, 4 rejected.              *)
(* res: 0 none, 1 good, 2 bad.                                               *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers

CONSTANTS T, D, Bug
VARIABLES res, st, win, seen, wb, cb

vars == <<res, st, win, seen, wb, cb>>
Tasks == 0 .. T - 1
Zero == [t \in Tasks |-> 0]

Init == res = Zero /\ st = Zero /\ win = Zero /\ seen = Zero /\ wb = Zero /\ cb = Zero

Waiting(t) == IF Bug = 1 THEN st[t] \in 1 .. 2 ELSE st[t] = 1

Claim(t, g) == /\ st[t] = 0
               /\ res' = [res EXCEPT ![t] = g + 1]
               /\ st' = [st EXCEPT ![t] = 1]
               /\ win' = [win EXCEPT ![t] = D]
               /\ wb' = [wb EXCEPT ![t] = 1]
               /\ UNCHANGED <<seen, cb>>

Tick(t) == /\ Waiting(t) /\ win[t] > 0
           /\ win' = [win EXCEPT ![t] = @ - 1]
           /\ UNCHANGED <<res, st, seen, wb, cb>>

Sample(t) == /\ st[t] = 1 /\ seen[t] = 0 /\ win[t] > 0
             /\ seen' = [seen EXCEPT ![t] = 1]
             /\ st' = [st EXCEPT ![t] = IF res[t] = 2 \/ Bug = 4 THEN 2 ELSE 1]
             /\ UNCHANGED <<res, win, wb, cb>>

Grief(t) == /\ st[t] = 1 /\ win[t] > 0 /\ seen[t] = 0
            /\ st' = [st EXCEPT ![t] = 2]
            /\ UNCHANGED <<res, win, seen, wb, cb>>

Judge(t) == /\ st[t] = 2
            /\ st' = [st EXCEPT ![t] = IF res[t] = 2 THEN 4 ELSE 3]
            /\ wb' = [wb EXCEPT ![t] = IF res[t] = 2 THEN 0 ELSE @]
            /\ cb' = [cb EXCEPT ![t] = IF res[t] # 2 /\ seen[t] = 1 THEN 1 ELSE @]
            /\ UNCHANGED <<res, win, seen>>

Timeout(t) == /\ st[t] = 2
              /\ IF Bug \in 2 .. 3 THEN TRUE ELSE res[t] = 2
              /\ st' = [st EXCEPT ![t] = IF Bug = 2 THEN 3 ELSE 4]
              /\ wb' = [wb EXCEPT ![t] = IF Bug = 2 THEN @ ELSE 0]
              /\ UNCHANGED <<res, win, seen, cb>>

Finalize(t) == /\ Waiting(t) /\ win[t] = 0
               /\ st' = [st EXCEPT ![t] = 3]
               /\ UNCHANGED <<res, win, seen, wb, cb>>

Next == \/ \E t \in Tasks, g \in 0 .. 1 : Claim(t, g)
        \/ \E t \in Tasks : Tick(t)
        \/ \E t \in Tasks : Sample(t)
        \/ \E t \in Tasks : Grief(t)
        \/ \E t \in Tasks : Judge(t)
        \/ \E t \in Tasks : Timeout(t)
        \/ \E t \in Tasks : Finalize(t)

Spec == /\ Init /\ [][Next]_vars
        /\ WF_vars(\E t \in Tasks : Tick(t))
        /\ WF_vars(\E t \in Tasks : Judge(t))
        /\ WF_vars(\E t \in Tasks : Finalize(t))

SampledBadNeverAccepted == \A t \in Tasks : ~(seen[t] = 1 /\ res[t] = 2 /\ st[t] = 3)
HonestWorkerKeepsBond == \A t \in Tasks : res[t] = 1 => wb[t] = 1
HonestChallengerSafe == \A t \in Tasks : cb[t] = 0
PendingIsSettled == (st[0] = 1) ~> (st[0] >= 3)
===============================================================================
