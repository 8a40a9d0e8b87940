---------------------------- MODULE GossipProofs ----------------------------
(* have: entries of the Byzantine author at each node, 0 none, 1 and 2       *)
(* variants. know: 0 nothing, l + 1 a proof about slot l, L + 1 banned, the  *)
(* proof dropped. msg: a claim that anybody may send, and its kind. The      *)
(* honest author signed variant 1 in slot 0 and 2 in all others.             *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers, FiniteSets

CONSTANTS N, L, Bug
VARIABLES have, know, wrong, msg

vars == <<have, know, wrong, msg>>
Nodes == 0 .. N - 1
Slots == 0 .. L - 1
Zero == [n \in Nodes |-> 0]
Holds(k) == k \in 1 .. L

Init == /\ have = [n \in Nodes |-> [l \in Slots |-> 0]]
        /\ know = Zero /\ wrong = Zero /\ msg = 0

Filled(n) == Cardinality({l \in Slots : have[n][l] > 0})
Someone(l, v) == \E n \in Nodes : have[n][l] = v

(* Kinds of claims: 1 the honest author in slot 0, a variant it never        *)
(* signed; 2 its entry twice; 3 entries of two slots; 4 the other author.    *)
Signed(m) == IF m = 1 THEN FALSE ELSE IF m = 4 THEN Someone(0, 1) /\ Someone(0, 2) ELSE TRUE
Proves(m) == /\ IF Bug = 1 THEN TRUE ELSE Signed(m)
             /\ IF Bug = 2 THEN TRUE ELSE m # 2
             /\ IF Bug = 3 THEN TRUE ELSE m # 3

ByzAppend(j, v) == /\ Filled(j) < L /\ know[j] = 0
                   /\ have' = [have EXCEPT ![j][Filled(j)] = v]
                   /\ UNCHANGED <<know, wrong, msg>>

Differ(x, y) == {l \in Slots : x[l] > 0 /\ y[l] > 0 /\ x[l] # y[l]}
Least(S) == CHOOSE l \in S : \A k \in S : l <= k

Gossip(i, j) ==
    LET x == have[i]
        y == have[j]
        conflict == Differ(x, y) # {}
        merge == [l \in Slots |-> IF conflict \/ y[l] > 0 THEN y[l] ELSE x[l]]
        about == IF ~conflict THEN 0 ELSE IF Bug = 4 THEN Filled(j) ELSE Least(Differ(x, y)) + 1
    IN  /\ i # j /\ know[j] = 0
        /\ IF conflict THEN TRUE ELSE merge # y
        /\ have' = [have EXCEPT ![j] = merge]
        /\ know' = [know EXCEPT ![j] = about]
        /\ UNCHANGED <<wrong, msg>>

SpreadProof(i, j) == /\ Holds(know[i]) /\ know[j] = 0
                     /\ know' = [know EXCEPT ![j] = know[i]]
                     /\ UNCHANGED <<have, wrong, msg>>

Drop(j) == /\ Holds(know[j])
           /\ IF Bug = 5 THEN TRUE ELSE \A n \in Nodes : know[n] > 0
           /\ know' = [know EXCEPT ![j] = IF Bug = 6 THEN 0 ELSE L + 1]
           /\ UNCHANGED <<have, wrong, msg>>

Send(m) == /\ msg = 0
           /\ msg' = m
           /\ UNCHANGED <<have, know, wrong>>

Receive(j) == /\ msg > 0
              /\ know' = [know EXCEPT ![j] = IF Proves(msg) /\ msg = 4 /\ know[j] = 0 THEN 1 ELSE @]
              /\ wrong' = [wrong EXCEPT ![j] = IF Proves(msg) /\ msg # 4 THEN 1 ELSE @]
              /\ msg' = 0
              /\ UNCHANGED have

AnyGossip == \E i, j \in Nodes : Gossip(i, j)
AnySpread == \E i, j \in Nodes : SpreadProof(i, j)
Next == \/ \E j \in Nodes, v \in 1 .. 2 : ByzAppend(j, v)
        \/ AnyGossip
        \/ AnySpread
        \/ \E j \in Nodes : Drop(j)
        \/ \E m \in 1 .. 4 : Send(m)
        \/ \E j \in Nodes : Receive(j)

Spec == Init /\ [][Next]_vars /\ WF_vars(AnyGossip) /\ WF_vars(AnySpread)

Both(l) == Someone(l, 1) /\ Someone(l, 2)
Equivocates == \E l \in Slots : Both(l)
HonestNeverBanned == \A n \in Nodes : wrong[n] = 0
ProofSound == \A n \in Nodes : Holds(know[n]) => Both(know[n] - 1)
ProofSurvives == \/ \A n \in Nodes : know[n] = 0
                 \/ \A n \in Nodes : know[n] > 0
                 \/ \E n \in Nodes : Holds(know[n])
BanIsForGood == [][\A n \in Nodes : know[n] > 0 => know'[n] > 0]_vars
Some == \E n \in Nodes : know[n] > 0
Everyone == \A n \in Nodes : know[n] > 0
EquivocationIsProved == Equivocates ~> Some
ProofSpreads == Some ~> Everyone
ProofSpreadsByGossip == Some ~> Everyone
===============================================================================
