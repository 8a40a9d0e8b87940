------------------------------ MODULE Checkpoint ------------------------------
(* A run continued from its last two checkpoints, new and old (0 none), of   *)
(* which the newer may be bad. out: 0 none, 1 as if uninterrupted, 2 other.  *)
EXTENDS Integers

CONSTANTS R, A
VARIABLES new, old, bad, out, killed, damaged

vars == <<new, old, bad, out, killed, damaged>>
Max(a, b) == IF a > b THEN a ELSE b

Init == new = 0 /\ old = 0 /\ bad = 0 /\ out = 0 /\ killed = 0 /\ damaged = 0

(* The round resumed from, and the one kept beside it.                       *)
Base == IF bad = 1 THEN old ELSE new
Spare == IF bad = 1 THEN 0 ELSE old

(* Both checkpoints once every round up to r is saved.                       *)
NewAfter(r) == Max(Base, r)
OldAfter(r) == IF r > Base THEN Max(Base, r - 1) ELSE Spare

Kill(k) == /\ out = 0 /\ k >= Base /\ killed < A
           /\ new' = NewAfter(k)
           /\ old' = OldAfter(k)
           /\ bad' = 0
           /\ killed' = killed + 1
           /\ UNCHANGED <<out, damaged>>

Complete == /\ out = 0
            /\ new' = NewAfter(R)
            /\ old' = OldAfter(R)
            /\ bad' = 0
            /\ out' = 1
            /\ UNCHANGED <<killed, damaged>>

Damage == /\ new > 0 /\ bad = 0 /\ damaged < A
          /\ bad' = 1
          /\ damaged' = damaged + 1
          /\ out' = 0
          /\ UNCHANGED <<new, old, killed>>

Next == \/ \E k \in 0 .. R - 1 : Kill(k)
        \/ Complete
        \/ Damage

Spec == Init /\ [][Next]_vars /\ WF_vars(Complete)

SameResult == out # 2
Ordered == old < new \/ new = 0
OneRoundLost == [][(bad = 0 /\ bad' = 1 /\ damaged = 0) => (IF bad' = 1 THEN old' ELSE new') >= Base - 1]_vars
RunCompletes == TRUE ~> (out = 1)
===============================================================================
