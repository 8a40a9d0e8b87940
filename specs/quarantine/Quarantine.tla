------------------------------ MODULE Quarantine ------------------------------
(* Checkpoints, rollback, quarantine. The last node is bad; version 0 is the *)
(* genesis; by is the author plus one, 0 none.                               *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers

CONSTANTS N, V, Bug
VARIABLES head, by, ck, ver, q, pend, inc

vars == <<head, by, ck, ver, q, pend, inc>>
Nodes == 0 .. N - 1
Versions == 0 .. V
Bad == N - 1

Tainted(v) == \E u \in 1 .. v : by[u] = Bad + 1

Init == /\ head = 0 /\ inc = 0
        /\ by = [v \in Versions |-> 0]
        /\ ck = [v \in Versions |-> IF v = 0 THEN 1 ELSE 0]
        /\ ver = [v \in Versions |-> IF v = 0 THEN 1 ELSE 0]
        /\ q = [n \in Nodes |-> 0]
        /\ pend = [n \in Nodes |-> 0]

Submit(n) == /\ pend[n] = 0 /\ q[n] = 0
             /\ pend' = [pend EXCEPT ![n] = 1]
             /\ UNCHANGED <<head, by, ck, ver, q, inc>>

Apply(n) == /\ pend[n] = 1 /\ head < V
            /\ IF Bug = 2 THEN TRUE ELSE q[n] = 0
            /\ head' = head + 1
            /\ by' = [by EXCEPT ![head + 1] = n + 1]
            /\ ver' = [ver EXCEPT ![head + 1] = 0]
            /\ ck' = [ck EXCEPT ![head + 1] = 0]
            /\ pend' = [pend EXCEPT ![n] = 0]
            /\ UNCHANGED <<q, inc>>

Validate == /\ ~Tainted(head) /\ ver[head] = 0
            /\ ver' = [ver EXCEPT ![head] = 1]
            /\ UNCHANGED <<head, by, ck, q, pend, inc>>

Checkpoint == /\ ck[head] = 0
              /\ IF Bug = 1 THEN TRUE ELSE ver[head] = 1
              /\ ck' = [ck EXCEPT ![head] = 1]
              /\ UNCHANGED <<head, by, ver, q, pend, inc>>

Later(v) == {u \in (v + 1) .. head : ck[u] = 1}
GC(v) == /\ ck[v] = 1
         /\ IF Bug = 3 THEN TRUE ELSE Later(v) # {}
         /\ ck' = [ck EXCEPT ![v] = 0]
         /\ UNCHANGED <<head, by, ver, q, pend, inc>>

DetectQuarantine == /\ q[Bad] = 0
                    /\ {v \in Versions : by[v] = Bad + 1} # {}
                    /\ q' = [q EXCEPT ![Bad] = 1]
                    /\ inc' = 1
                    /\ pend' = [pend EXCEPT ![Bad] = IF Bug = 2 THEN @ ELSE 0]
                    /\ UNCHANGED <<head, by, ck, ver>>

Rollback(v) == /\ inc = 1 /\ ck[v] = 1 /\ v <= head
               /\ IF Bug = 1 THEN Later(v) = {} ELSE ver[v] = 1
               /\ head' = v
               /\ inc' = 0
               /\ by' = [u \in Versions |-> IF u > v THEN 0 ELSE by[u]]
               /\ ver' = [u \in Versions |-> IF u > v THEN 0 ELSE ver[u]]
               /\ ck' = [u \in Versions |-> IF u > v THEN 0 ELSE ck[u]]
               /\ UNCHANGED <<q, pend>>

AnyRollback == \E v \in Versions : Rollback(v)
Next == \/ \E n \in Nodes : Submit(n)
        \/ \E n \in Nodes : Apply(n)
        \/ Validate
        \/ Checkpoint
        \/ \E v \in Versions : GC(v)
        \/ DetectQuarantine
        \/ AnyRollback

Spec == Init /\ [][Next]_vars /\ WF_vars(DetectQuarantine) /\ WF_vars(AnyRollback)

CleanAfterRollback == inc = 1 \/ q[Bad] = 0 \/ ~Tainted(head)
RecoveryPossible == \E v \in 0 .. head : ck[v] = 1 /\ ~Tainted(v)
IncidentIsRolledBack == (inc = 1) ~> (inc = 0)
LineageBecomesClean == Tainted(head) ~> ~Tainted(head)
===============================================================================
