------------------------------ MODULE CellStore ------------------------------
(* Workers share cells through claims. done and hold are the worker that     *)
(* finished and that claims, plus one; busy the cell computed plus one.      *)
EXTENDS Integers, FiniteSets

CONSTANTS C, W, A
VARIABLES done, hold, stale, busy, saved, crashed, expired, damaged

vars == <<done, hold, stale, busy, saved, crashed, expired, damaged>>
Cells == 0 .. C - 1
Workers == 0 .. W - 1

Init == /\ done = [c \in Cells |-> 0]
        /\ hold = [c \in Cells |-> 0]
        /\ stale = [c \in Cells |-> 0]
        /\ busy = [w \in Workers |-> 0]
        /\ saved = [w \in Workers |-> 0]
        /\ crashed = 0 /\ expired = 0 /\ damaged = 0

Free(c) == IF hold[c] = 0 THEN TRUE ELSE stale[c] = 1

Take(w, c) == /\ busy[w] = 0 /\ done[c] = 0 /\ Free(c)
              /\ hold' = [hold EXCEPT ![c] = w + 1]
              /\ stale' = [stale EXCEPT ![c] = 0]
              /\ busy' = [busy EXCEPT ![w] = c + 1]
              /\ UNCHANGED <<done, saved, crashed, expired, damaged>>

(* The first file stays.                                                      *)
Save(w) == /\ busy[w] > 0 /\ saved[w] = 0
           /\ done' = [done EXCEPT ![busy[w] - 1] = IF @ = 0 THEN w + 1 ELSE @]
           /\ saved' = [saved EXCEPT ![w] = 1]
           /\ UNCHANGED <<hold, stale, busy, crashed, expired, damaged>>

Release(w) == /\ busy[w] > 0 /\ saved[w] = 1
              /\ hold' = [hold EXCEPT ![busy[w] - 1] = IF @ = w + 1 THEN 0 ELSE @]
              /\ stale' = [c \in Cells |-> IF c = busy[w] - 1 /\ hold[c] = w + 1 THEN 0 ELSE stale[c]]
              /\ busy' = [busy EXCEPT ![w] = 0]
              /\ saved' = [saved EXCEPT ![w] = 0]
              /\ UNCHANGED <<done, crashed, expired, damaged>>

(* Whose claim is gone stops, if others have finished the cell.               *)
Drop(w) == /\ busy[w] > 0 /\ saved[w] = 0
           /\ hold[busy[w] - 1] # w + 1 /\ done[busy[w] - 1] > 0
           /\ busy' = [busy EXCEPT ![w] = 0]
           /\ UNCHANGED <<done, hold, stale, saved, crashed, expired, damaged>>

Clear(c) == /\ done[c] > 0 /\ stale[c] = 1
            /\ hold' = [hold EXCEPT ![c] = 0]
            /\ stale' = [stale EXCEPT ![c] = 0]
            /\ UNCHANGED <<done, busy, saved, crashed, expired, damaged>>

Crash(w) == /\ busy[w] > 0 /\ crashed < A
            /\ stale' = [c \in Cells |-> IF c = busy[w] - 1 /\ hold[c] = w + 1 THEN 1 ELSE stale[c]]
            /\ busy' = [busy EXCEPT ![w] = 0]
            /\ saved' = [saved EXCEPT ![w] = 0]
            /\ crashed' = crashed + 1
            /\ UNCHANGED <<done, hold, expired, damaged>>

Expire(w) == /\ busy[w] > 0 /\ expired < A
             /\ hold[busy[w] - 1] = w + 1
             /\ stale[busy[w] - 1] = 0
             /\ stale' = [stale EXCEPT ![busy[w] - 1] = 1]
             /\ expired' = expired + 1
             /\ UNCHANGED <<done, hold, busy, saved, crashed, damaged>>

Damage(c) == /\ done[c] > 0 /\ damaged < A
             /\ done' = [done EXCEPT ![c] = 0]
             /\ damaged' = damaged + 1
             /\ UNCHANGED <<hold, stale, busy, saved, crashed, expired>>

Next == \/ \E w \in Workers, c \in Cells : Take(w, c)
        \/ \E w \in Workers : Save(w)
        \/ \E w \in Workers : Release(w)
        \/ \E w \in Workers : Drop(w)
        \/ \E c \in Cells : Clear(c)
        \/ \E w \in Workers : Crash(w)
        \/ \E w \in Workers : Expire(w)
        \/ \E c \in Cells : Damage(c)

Spec == /\ Init /\ [][Next]_vars
        /\ (\A w \in Workers, c \in Cells : WF_vars(Take(w, c)))
        /\ (\A w \in Workers : WF_vars(Save(w)))
        /\ (\A w \in Workers : WF_vars(Release(w)))
        /\ (\A c \in Cells : WF_vars(Clear(c)))

OneWorker == IF expired > 0 THEN TRUE
             ELSE \A c \in Cells : Cardinality({w \in Workers : busy[w] = c + 1}) <= 1
LiveClaimsAreWorkedOn == \A c \in Cells : hold[c] = 0 \/ stale[c] = 1 \/ busy[hold[c] - 1] = c + 1
TakenOverOnlyIfStale == [][\A c \in Cells : (hold[c] = 0 \/ hold'[c] = hold[c] \/ hold'[c] = 0 \/ stale[c] = 1)]_vars
ReleasedByOwner == [][\A c \in Cells : (hold[c] = 0 \/ hold'[c] > 0 \/ (stale[c] = 1 /\ done[c] > 0) \/ (busy[hold[c] - 1] > 0 /\ busy'[hold[c] - 1] = 0))]_vars
FinishedNeverChanges == [][\A c \in Cells : (done[c] = 0 \/ done'[c] = done[c] \/ (done'[c] = 0 /\ damaged' > damaged))]_vars
AllIsDone == TRUE ~> (\A c \in Cells : done[c] > 0)
NoClaimStays == TRUE ~> (\A c \in Cells : (done[c] > 0 /\ hold[c] = 0))
===============================================================================
