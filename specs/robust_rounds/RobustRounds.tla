---------------------------- MODULE RobustRounds ----------------------------
(* Rounds about a running centre. Values -M .. M are sent as v - M; honest   *)
(* ones are within -A .. A. con is in halves about the centre: a fresh       *)
(* message weighs 2 halves, a stale one 1. kind: 0 absent, 1 fresh, 2 stale. *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers, FiniteSets

CONSTANTS N, F, A, M, C, Bug
VARIABLES ph, mem, kind, con, late, num, den, lo, hi

vars == <<ph, mem, kind, con, late, num, den, lo, hi>>
Nodes == 0 .. N - 1
Honest == 0 .. N - F - 1
Values == 0 .. 2 * M
Zero == [i \in Nodes |-> 0]
Clip(x, r) == IF x > r THEN r ELSE IF x < -r THEN -r ELSE x
Weight(k) == IF k = 1 THEN 2 ELSE IF k = 2 THEN 1 ELSE 0
Abs(x) == IF x < 0 THEN -x ELSE x

RECURSIVE Sum(_, _)
Sum(f, S) == IF S = {} THEN 0
             ELSE LET x == CHOOSE y \in S : TRUE IN f[x] + Sum(f, S \ {x})

Present == {i \in Nodes : kind[i] # 0}
Offset(i) == IF kind[i] = 1 THEN con[i] \div 2 ELSE con[i]
May(i, v) == IF i \in Honest THEN v - M >= -A /\ v - M <= A ELSE TRUE

Init == /\ ph = 0 /\ mem = 0 /\ num = 0 /\ den = 0 /\ lo = 0 /\ hi = 0
        /\ kind = Zero /\ con = Zero /\ late = Zero

Submit(i, v) == LET again == Bug = 1 /\ kind[i] = 2
                IN  /\ ph = 0 /\ May(i, v)
                    /\ IF kind[i] = 0 THEN TRUE ELSE again
                    /\ kind' = [kind EXCEPT ![i] = 1]
                    /\ con' = [con EXCEPT ![i] = (IF again THEN @ ELSE 0) + 2 * Clip(v - M - mem, C)]
                    /\ UNCHANGED <<ph, mem, late, num, den, lo, hi>>

(* A message after Aggregate waits for the next round. *)
Late(i, v) == /\ ph = 1 /\ May(i, v) /\ kind[i] = 0 /\ late[i] = 0
              /\ late' = [late EXCEPT ![i] = IF Bug = 6 THEN 0
                                             ELSE IF Bug = 3 THEN mem + Clip(v - M - mem, C) + M + 1 ELSE v + 1]
              /\ kind' = [kind EXCEPT ![i] = IF Bug = 6 THEN 1 ELSE 0]
              /\ con' = [con EXCEPT ![i] = IF Bug = 6 THEN 2 * Clip(v - M - mem, C) ELSE 0]
              /\ UNCHANGED <<ph, mem, num, den, lo, hi>>

(* The offset of rank r, from 0, among those present. *)
Rank(r) == CHOOSE x \in {Offset(i) : i \in Present} :
              /\ Cardinality({i \in Present : Offset(i) < x}) <= r
              /\ Cardinality({i \in Present : Offset(i) <= x}) > r

Aggregate == LET g == Cardinality(Present)
                 k == IF Bug = 7 THEN 0 ELSE F
             IN  /\ ph = 0
                 /\ g >= 2 * F + 1
                 /\ ph' = 1
                 /\ num' = Sum(con, Nodes)
                 /\ den' = IF Bug = 5 THEN 2 * N ELSE Sum([i \in Nodes |-> Weight(kind[i])], Nodes)
                 /\ lo' = mem + (IF Bug = 4 THEN Rank(0) ELSE Rank(k))
                 /\ hi' = mem + Rank(g - 1 - k)
                 /\ UNCHANGED <<mem, kind, con, late>>

NextRound == LET middle == (lo + hi) \div 2
                 centre == IF Bug = 8 THEN 2 * middle - mem ELSE middle
                 New(x) == IF Bug = 3 THEN x ELSE Clip(x, IF Bug = 2 THEN 2 * C ELSE C)
             IN  /\ ph = 1
                 /\ ph' = 0 /\ num' = 0 /\ den' = 0 /\ lo' = 0 /\ hi' = 0
                 /\ mem' = centre
                 /\ kind' = [i \in Nodes |-> IF late[i] > 0 THEN 2 ELSE 0]
                 /\ con' = [i \in Nodes |-> IF late[i] > 0 THEN New(late[i] - 1 - M - centre) ELSE 0]
                 /\ late' = Zero

AnySubmit == \E i \in Nodes, v \in Values : Submit(i, v)
Next == \/ AnySubmit
        \/ Aggregate
        \/ \E i \in Nodes, v \in Values : Late(i, v)
        \/ NextRound

Spec == /\ Init /\ [][Next]_vars
        /\ WF_vars(AnySubmit) /\ WF_vars(Aggregate) /\ WF_vars(NextRound)

BoundedInfluence == \A i \in Nodes : Abs(con[i]) <= Weight(kind[i]) * C
TrimmedValidity == ph = 1 => /\ \E i \in Honest \cap Present : lo >= mem + Offset(i)
                             /\ \E i \in Honest \cap Present : hi <= mem + Offset(i)
MeanInRange == ph = 1 => /\ \E i \in Present : num >= den * Offset(i)
                         /\ \E i \in Present : num <= den * Offset(i)
WhatIsSummedIsWhatCounts == ph = 1 => num = Sum(con, Nodes)
CentreInHonestRange == Abs(mem) <= A
CentreMovesByRadius == [][Abs(mem' - mem) <= C]_vars
LateIsCounted == (late[0] > 0) ~> (kind[0] = 2)
RoundsGoOn == (ph = 0) ~> (ph = 1)
===============================================================================
