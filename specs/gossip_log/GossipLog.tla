------------------------------- MODULE GossipLog -------------------------------
(* Author 0 is honest and lives at node 0; author 1 may write a different    *)
(* entry at each node. Entries: 0 none, 1 and 2 variants.                    *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers, FiniteSets

CONSTANTS N, L, Bug
VARIABLES have, proof

vars == <<have, proof>>
Nodes == 0 .. N - 1
Authors == 0 .. 1
Entries == 0 .. L - 1

Init == /\ have = [n \in Nodes |-> [a \in Authors |-> [l \in Entries |-> 0]]]
        /\ proof = [n \in Nodes |-> 0]

Filled(n, a) == Cardinality({l \in Entries : have[n][a][l] > 0})

Append == /\ Filled(0, 0) < L
          /\ have' = [have EXCEPT ![0][0][Filled(0, 0)] = 1]
          /\ UNCHANGED proof

Victim == IF Bug = 3 THEN 0 ELSE 1
ByzAppend(n, v) == /\ Filled(n, Victim) < L /\ proof[n] = 0
                   /\ have' = [have EXCEPT ![n][Victim][Filled(n, Victim)] = v + 1]
                   /\ UNCHANGED proof

Conflict(x, y) == \E l \in Entries : x[l] > 0 /\ y[l] > 0 /\ x[l] # y[l]

Gossip(i, j, a) ==
    LET x == have[i][a]
        y == have[j][a]
        c == Bug # 1 /\ (Conflict(x, y) \/ (Bug = 4 /\ a = 1 /\ x # y))
        newer(l) == IF Bug = 1 THEN x[l] > 0 ELSE y[l] = 0 /\ (Bug = 2 => l = L - 1)
        merge == IF c THEN y ELSE [l \in Entries |-> IF newer(l) THEN x[l] ELSE y[l]]
    IN  /\ i # j
        /\ IF merge # y THEN TRUE ELSE c /\ proof[j] = 0
        /\ have' = [have EXCEPT ![j][a] = merge]
        /\ proof' = [proof EXCEPT ![j] = IF c THEN 1 ELSE @]

SpreadProof(i, j) == /\ proof[i] = 1 /\ proof[j] = 0
                     /\ proof' = [proof EXCEPT ![j] = 1]
                     /\ UNCHANGED have

AnyGossip == \E i, j \in Nodes, a \in Authors : Gossip(i, j, a)
AnySpread == \E i, j \in Nodes : SpreadProof(i, j)
Next == \/ Append
        \/ \E n \in Nodes, v \in 0 .. 1 : ByzAppend(n, v)
        \/ AnyGossip
        \/ AnySpread

Spec == Init /\ [][Next]_vars /\ WF_vars(AnyGossip) /\ WF_vars(AnySpread)

Equivocates == \E i, j \in Nodes : Conflict(have[i][1], have[j][1])
HonestConsistent == \A n \in Nodes, l \in Entries : have[n][0][l] = 0 \/ have[n][0][l] = have[0][0][l]
PrefixClosed == \A n \in Nodes, a \in Authors, l \in 1 .. L - 1 : have[n][a][l] > 0 => have[n][a][l - 1] > 0
ProofSound == (\E n \in Nodes : proof[n] = 1) => Equivocates
AppendOnly == [][\A n \in Nodes, a \in Authors, l \in Entries :
                    have[n][a][l] > 0 => have'[n][a][l] = have[n][a][l]]_vars
EquivocationIsProved == Equivocates ~> (\E n \in Nodes : proof[n] = 1)
ProofSpreads == (\E n \in Nodes : proof[n] = 1) ~> (\A n \in Nodes : proof[n] = 1)
===============================================================================
