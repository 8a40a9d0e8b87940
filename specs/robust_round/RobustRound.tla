----------------------------- MODULE RobustRound -----------------------------
(* One round of clipped, trimmed aggregation. val is the clipped value plus  *)
(* one, 0 none. The last F nodes are Byzantine.                              *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers, FiniteSets

CONSTANTS N, F, M, CAP, Bug
VARIABLES ph, val, cnt, lo, hi, n

vars == <<ph, val, cnt, lo, hi, n>>
Nodes == 0 .. N - 1
Honest == 0 .. N - F - 1
Present == {i \in Nodes : cnt[i] > 0}
Min(a, b) == IF a < b THEN a ELSE b

RECURSIVE Sum(_)
Sum(S) == IF S = {} THEN 0
          ELSE LET i == CHOOSE j \in S : TRUE IN (val[i] - 1) * cnt[i] + Sum(S \ {i})

Init == /\ ph = 0 /\ lo = 0 /\ hi = 0 /\ n = 0
        /\ val = [i \in Nodes |-> 0]
        /\ cnt = [i \in Nodes |-> 0]

Submit(i, v) == /\ ph = 0 /\ cnt[i] < (IF Bug = 1 THEN 2 ELSE 1)
                /\ IF i \in Honest THEN v <= CAP ELSE TRUE
                /\ val' = [val EXCEPT ![i] = (IF Bug = 2 THEN v ELSE Min(v, CAP)) + 1]
                /\ cnt' = [cnt EXCEPT ![i] = @ + 1]
                /\ n' = n + 1
                /\ UNCHANGED <<ph, lo, hi>>

Aggregate == /\ ph = 0 /\ Cardinality(Present) >= (IF Bug = 3 THEN 1 ELSE 2 * F + 1)
             /\ lo' = Sum(Present)
             /\ ph' = 1
             /\ UNCHANGED <<val, cnt, hi, n>>

(* The element of rank r (from 0) among the values present. *)
Rank(r) == CHOOSE v \in {val[i] - 1 : i \in Present} :
              /\ Cardinality({i \in Present : val[i] - 1 < v}) <= r
              /\ Cardinality({i \in Present : val[i] - 1 <= v}) > r

Largest(S) == IF S = {} THEN 0 ELSE CHOOSE v \in {val[i] - 1 : i \in S} : \A i \in S : val[i] - 1 <= v

Trim == LET g == Cardinality(Present)
            k == IF Bug = 4 THEN 0 ELSE F
        IN  /\ ph = 1
            /\ hi' = IF g > 2 * k THEN Rank(g - 1 - k) ELSE Largest(Present)
            /\ ph' = 2
            /\ UNCHANGED <<val, cnt, lo, n>>

NextRound == /\ ph = 2
             /\ ph' = 0 /\ lo' = 0 /\ hi' = 0 /\ n' = 0
             /\ val' = [i \in Nodes |-> 0]
             /\ cnt' = [i \in Nodes |-> 0]

Next == \/ \E i \in Nodes, v \in 0 .. M : Submit(i, v)
        \/ Aggregate
        \/ Trim
        \/ NextRound

Spec == Init /\ [][Next]_vars /\ WF_vars(Trim)

BoundedInfluence == \A i \in Present : (val[i] - 1) * cnt[i] <= CAP
TrimmedValidity == ph = 2 => hi <= Largest(Honest \cap Present)
AggregatedIsTrimmed == (ph = 1) ~> (ph = 2)
===============================================================================
