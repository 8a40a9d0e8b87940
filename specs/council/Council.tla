------------------------------- MODULE Council --------------------------------
(* A council. Phases are 0 idle, 1 voting, 2 timelock; on the table is 0      *)
(* nothing, 1 an alarm, 2 a member's motion. Every action is one round.       *)
(* Bug 0 is the protocol, others are its mutants.                             *)
EXTENDS Integers

CONSTANTS N, C, Q, V, T, P, Bug
VARIABLES ph, kind, clk, open, pz, done

vars == <<ph, kind, clk, open, pz, done>>
Min(a, b) == IF a < b THEN a ELSE b

Init == ph = 0 /\ kind = 0 /\ clk = 0 /\ open = 0 /\ pz = 0 /\ done = 0

Paused == ph # 0 /\ kind = 1 /\ open < P
More == Min(pz + (IF Paused THEN 1 ELSE 0), P + 1)

Alarm == /\ IF ph = 0 THEN TRUE ELSE (ph = 1 /\ kind = 2 /\ clk < V)
         /\ ph' = 1
         /\ kind' = 1
         /\ clk' = 0
         /\ open' = 0
         /\ pz' = 0
         /\ done' = 0

Move == /\ ph = 0
        /\ ph' = 1
        /\ kind' = 2
        /\ clk' = 0
        /\ open' = 0
        /\ pz' = 0
        /\ done' = 0

Wait == /\ IF ph = 1 THEN clk < V ELSE (ph = 2 /\ clk + 1 < T)
        /\ clk' = clk + 1
        /\ open' = Min(open + 1, P)
        /\ pz' = More
        /\ UNCHANGED <<ph, kind, done>>

Enough(y) == IF Bug = 1 THEN y >= 1 ELSE y >= Q
Locks(y) == Enough(y) /\ Bug # 3
Acts(y) == Enough(y) /\ Bug = 3
Again(y, a) == ~Enough(y) /\ a = 1 /\ kind = 1
Raises(y, a) == ~Enough(y) /\ a = 1 /\ kind = 2
Stays(y, a) == Locks(y) \/ Again(y, a)

Vote(y, a) == /\ ph = 1
              /\ IF Bug = 4 THEN TRUE ELSE clk = V
              /\ IF kind = 1 THEN TRUE ELSE y <= C
              /\ ph' = (IF Locks(y) THEN 2 ELSE IF Again(y, a) THEN 1 ELSE IF Raises(y, a) THEN 1 ELSE 0)
              /\ kind' = (IF Stays(y, a) THEN kind ELSE IF Raises(y, a) THEN 1 ELSE 0)
              /\ clk' = 0
              /\ open' = (IF Locks(y) THEN Min(open + 1, P)
                          ELSE IF Again(y, a) THEN (IF Bug = 2 THEN 0 ELSE Min(open + 1, P)) ELSE 0)
              /\ pz' = (IF Raises(y, a) THEN 0 ELSE More)
              /\ done' = (IF Acts(y) THEN kind ELSE IF Raises(y, a) THEN 0 ELSE done)

Execute == /\ ph = 2
           /\ clk + 1 >= T
           /\ ph' = 0
           /\ kind' = 0
           /\ clk' = 0
           /\ open' = 0
           /\ pz' = More
           /\ done' = kind

AnyVote == \E y \in 0 .. N : \E a \in 0 .. 1 : Vote(y, a)
Next == \/ Alarm
        \/ Move
        \/ Wait
        \/ AnyVote
        \/ Execute

Spec == Init /\ [][Next]_vars /\ WF_vars(Wait) /\ WF_vars(AnyVote) /\ WF_vars(Execute)

NothingForced == done # 2
PauseEnds == pz <= P
NotBeforeTimelock == [][(done' # done /\ done' # 0) => (ph = 2 /\ clk + 1 >= T)]_vars
VotesTakeTheirTime == [][(ph' = 2 /\ ph # 2) => (ph = 1 /\ clk = V)]_vars
PauseIsOver == Paused ~> ~Paused
PassedIsExecuted == (ph = 2) ~> (done # 0)
(* False, whatever is fair: members stay away from every vote. *)
MatterEnds == (ph # 0) ~> (ph = 0)
===============================================================================
