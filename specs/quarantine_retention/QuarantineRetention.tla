------------------------- MODULE QuarantineRetention -------------------------
(* Quarantine with room for R checkpoints and detection up to G versions     *)
(* late; validation errs. The last node is bad; version 0 is the genesis; by *)
(* is the author plus one, 0 none. Bug 0 is the protocol, others are its     *)
(* mutants.                                                                  *)
EXTENDS Integers, FiniteSets

CONSTANTS N, V, G, R, Bug
VARIABLES head, by, ck, ver, q, pend, inc

vars == <<head, by, ck, ver, q, pend, inc>>
Nodes == 0 .. N - 1
Versions == 0 .. V
Bad == N - 1
Kept == {v \in Versions : ck[v] = 1}
Tainted(v) == \E u \in 1 .. v : by[u] = Bad + 1
Due == q[Bad] = 0 /\ \E v \in 1 .. head : by[v] = Bad + 1 /\ v + G <= head
Oldest == CHOOSE v \in Kept : \A u \in Kept : v <= u

Init == /\ head = 0 /\ inc = 0
        /\ by = [v \in Versions |-> 0]
        /\ ck = [v \in Versions |-> IF v = 0 THEN 1 ELSE 0]
        /\ ver = [v \in Versions |-> IF v = 0 THEN 1 ELSE 0]
        /\ q = [n \in Nodes |-> 0]
        /\ pend = [n \in Nodes |-> 0]

Submit(n) == /\ pend[n] = 0 /\ q[n] = 0
             /\ pend' = [pend EXCEPT ![n] = 1]
             /\ UNCHANGED <<head, by, ck, ver, q, inc>>

Apply(n) == /\ pend[n] = 1 /\ head < V /\ q[n] = 0 /\ inc = 0
            /\ IF Bug = 4 THEN TRUE ELSE ~Due
            /\ head' = head + 1
            /\ by' = [by EXCEPT ![head + 1] = n + 1]
            /\ ver' = [ver EXCEPT ![head + 1] = 0]
            /\ ck' = [ck EXCEPT ![head + 1] = 0]
            /\ pend' = [pend EXCEPT ![n] = 0]
            /\ UNCHANGED <<q, inc>>

(* A tainted version may pass. *)
Validate == /\ ver[head] = 0
            /\ ver' = [ver EXCEPT ![head] = 1]
            /\ UNCHANGED <<head, by, ck, q, pend, inc>>

Checkpoint == /\ ck[head] = 0 /\ ver[head] = 1 /\ inc = 0
              /\ IF Bug = 3 THEN TRUE ELSE Cardinality(Kept) < R
              /\ ck' = [v \in Versions |-> IF v = head THEN 1
                                           ELSE IF Cardinality(Kept) >= R /\ v = Oldest THEN 0 ELSE ck[v]]
              /\ UNCHANGED <<head, by, ver, q, pend, inc>>

(* Only what a later checkpoint replaces that is past detection. *)
GC(v) == /\ ck[v] = 1 /\ inc = 0
         /\ LET enough(u) == IF Bug = 1 THEN u <= head
                             ELSE IF Bug = 2 THEN u + G <= head ELSE u + G < head
            IN  \E u \in Kept : u > v /\ enough(u)
         /\ ck' = [ck EXCEPT ![v] = 0]
         /\ UNCHANGED <<head, by, ver, q, pend, inc>>

DetectQuarantine == /\ q[Bad] = 0 /\ Tainted(head)
                    /\ q' = [q EXCEPT ![Bad] = 1]
                    /\ inc' = 1
                    /\ pend' = [pend EXCEPT ![Bad] = 0]
                    /\ UNCHANGED <<head, by, ck, ver>>

Usable == {v \in Kept : v <= head /\ (IF Bug = 5 THEN ver[v] = 1 ELSE ~Tainted(v))}

Rollback(v) == /\ inc = 1 /\ v \in Usable
               /\ IF Bug = 6 /\ ~Tainted(v) THEN TRUE ELSE \A u \in Usable : u <= v
               /\ head' = v
               /\ inc' = 0
               /\ by' = [u \in Versions |-> IF u > v THEN 0 ELSE by[u]]
               /\ ver' = [u \in Versions |-> IF u > v THEN 0 ELSE ver[u]]
               /\ ck' = [u \in Versions |-> IF u > v THEN 0 ELSE ck[u]]
               /\ q' = [q EXCEPT ![Bad] = IF Bug = 7 THEN 0 ELSE @]
               /\ UNCHANGED pend

AnyRollback == \E v \in Versions : Rollback(v)
Next == \/ \E n \in Nodes : Submit(n)
        \/ \E n \in Nodes : Apply(n)
        \/ Validate
        \/ Checkpoint
        \/ \E v \in Versions : GC(v)
        \/ DetectQuarantine
        \/ AnyRollback

Spec == /\ Init /\ [][Next]_vars
        /\ WF_vars(DetectQuarantine) /\ WF_vars(AnyRollback)
        /\ \A n \in Nodes : WF_vars(Submit(n))
        /\ \A n \in Nodes : WF_vars(Apply(n))

CleanAfterRollback == inc = 1 \/ q[Bad] = 0 \/ ~Tainted(head)
RecoveryPossible == \E v \in Kept : v <= head /\ ~Tainted(v)
NoMoreIsLost == [][inc = 1 /\ inc' = 0 => \A u \in Kept : u <= head /\ ~Tainted(u) => u <= head']_vars
QuarantineIsForGood == [][\A n \in Nodes : q'[n] >= q[n]]_vars
IncidentIsRolledBack == (inc = 1) ~> (inc = 0)
LineageBecomesClean == Tainted(head) ~> ~Tainted(head)
TrainingGoesOn == TRUE ~> head = V
===============================================================================
