-------------------------- MODULE SlashingUnbonding --------------------------
(* Bonds that stay liable for D ticks after leaving, offences that can be    *)
(* reported for W ticks. mode: 0 member, 1 unbonding, 2 gone. off: 0 none,   *)
(* 1 .. W ticks left to report, W + 1 reported, W + 2 slashed. The last node *)
(* is honest. Bug 0 is the protocol, others are its mutants.                 *)
EXTENDS Integers, FiniteSets

CONSTANTS N, K, W, D, Bug
VARIABLES bond, mode, left, off, acc

vars == <<bond, mode, left, off, acc>>
Nodes == 0 .. N - 1
Honest == N - 1
Offenders == Nodes \ {Honest}
Kinds == 0 .. K - 1
Max(a, b) == IF a > b THEN a ELSE b
Open(x) == x \in 1 .. W
Standing(x) == x \in 1 .. W + 1

Init == /\ bond = [i \in Nodes |-> K]
        /\ mode = [i \in Nodes |-> 0]
        /\ left = [i \in Nodes |-> 0]
        /\ off = [i \in Nodes |-> [k \in Kinds |-> 0]]
        /\ acc = 0

Offend(i, k) == /\ mode[i] = 0 /\ off[i][k] = 0
                /\ off' = [off EXCEPT ![i][k] = W]
                /\ UNCHANGED <<bond, mode, left, acc>>

Report(i, k) == /\ Open(off[i][k]) /\ mode[i] # 2
                /\ off' = [off EXCEPT ![i][k] = W + 1]
                /\ UNCHANGED <<bond, mode, left, acc>>

Accuse == /\ acc = 0 /\ mode[Honest] # 2
          /\ acc' = 1
          /\ UNCHANGED <<bond, mode, left, off>>

Dismiss == /\ acc = 1
           /\ acc' = 0
           /\ UNCHANGED <<bond, mode, left, off>>

Slash(i, k) == LET rumour == Bug = 4 /\ i = Honest /\ acc = 1
               IN  /\ IF off[i][k] = W + 1 THEN TRUE ELSE rumour
                   /\ bond[i] > 0
                   /\ bond' = [bond EXCEPT ![i] = @ - 1]
                   /\ off' = [off EXCEPT ![i] = [l \in Kinds |->
                                IF off[i][l] = W + 1 /\ (l = k \/ Bug = 3) THEN W + 2 ELSE off[i][l]]]
                   /\ acc' = IF rumour THEN 0 ELSE acc
                   /\ UNCHANGED <<mode, left>>

Exit(i) == /\ mode[i] = 0
           /\ mode' = [mode EXCEPT ![i] = 1]
           /\ left' = [left EXCEPT ![i] = IF Bug = 1 THEN D - 1 ELSE D]
           /\ off' = [off EXCEPT ![i] = [l \in Kinds |-> IF Bug = 5 /\ Open(off[i][l]) THEN 0 ELSE off[i][l]]]
           /\ UNCHANGED <<bond, acc>>

Pay(i) == /\ mode[i] = 1 /\ left[i] = 0
          /\ IF Bug = 2 THEN TRUE ELSE \A k \in Kinds : off[i][k] # W + 1
          /\ mode' = [mode EXCEPT ![i] = 2]
          /\ bond' = [bond EXCEPT ![i] = 0]
          /\ acc' = IF i = Honest THEN 0 ELSE acc
          /\ UNCHANGED <<left, off>>

Rejoin(i) == /\ mode[i] = 2
             /\ \A k \in Kinds : ~Standing(off[i][k])
             /\ mode' = [mode EXCEPT ![i] = 0]
             /\ bond' = [bond EXCEPT ![i] = K]
             /\ off' = [off EXCEPT ![i] = [k \in Kinds |-> 0]]
             /\ UNCHANGED <<left, acc>>

(* Synchrony: whoever can be reached is reported before the window closes. *)
Tick == /\ IF Bug = 6 THEN TRUE ELSE \A i \in Nodes, k \in Kinds : ~(off[i][k] = 1 /\ mode[i] # 2)
        /\ left' = [i \in Nodes |-> Max(left[i] - 1, 0)]
        /\ off' = [i \in Nodes |-> [k \in Kinds |-> IF Open(off[i][k]) THEN off[i][k] - 1 ELSE off[i][k]]]
        /\ UNCHANGED <<bond, mode, acc>>

Next == \/ \E i \in Offenders, k \in Kinds : Offend(i, k)
        \/ \E i \in Offenders, k \in Kinds : Report(i, k)
        \/ Accuse
        \/ Dismiss
        \/ \E i \in Nodes, k \in Kinds : Slash(i, k)
        \/ \E i \in Nodes : Exit(i)
        \/ \E i \in Nodes : Pay(i)
        \/ \E i \in Nodes : Rejoin(i)
        \/ Tick

Spec == /\ Init /\ [][Next]_vars
        /\ \A i \in Offenders, k \in Kinds : WF_vars(Report(i, k))
        /\ \A i \in Nodes, k \in Kinds : WF_vars(Slash(i, k))
        /\ \A i \in Nodes : WF_vars(Pay(i))
        /\ WF_vars(Tick)

NoEscape == \A i \in Nodes, k \in Kinds : Standing(off[i][k]) => bond[i] > 0
OnePenaltyPerOffence == \A i \in Offenders :
    mode[i] # 2 => bond[i] = K - Cardinality({k \in Kinds : off[i][k] = W + 2})
HonestNeverSlashed == mode[Honest] # 2 => bond[Honest] = K
NothingIsForgotten == [][\A i \in Nodes, k \in Kinds : Standing(off[i][k]) => off'[i][k] # 0]_vars
OffenceIsSlashed == Open(off[0][0]) ~> off[0][0] = W + 2
LeaverIsPaid == (mode[Honest] = 1) ~> (mode[Honest] # 1)
===============================================================================
