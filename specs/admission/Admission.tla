------------------------------ MODULE Admission ------------------------------
(* Identities cost stake. 0 free, 1 pending, 2 active, 3 unbonding.          *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers, FiniteSets

CONSTANTS P, K, B, CAP, Bug
VARIABLES owner, st, stake, w, bud, infl, used

vars == <<owner, st, stake, w, bud, infl, used>>
Principals == 0 .. P - 1
Slots == 0 .. K - 1
Min(a, b) == IF a < b THEN a ELSE b

RECURSIVE Sum(_, _)
Sum(f, S) == IF S = {} THEN 0
             ELSE LET x == CHOOSE y \in S : TRUE IN f[x] + Sum(f, S \ {x})

Init == /\ owner = [k \in Slots |-> 0]
        /\ st = [k \in Slots |-> 0]
        /\ stake = [k \in Slots |-> 0]
        /\ w = [k \in Slots |-> 0]
        /\ bud = [p \in Principals |-> B]
        /\ infl = [p \in Principals |-> 0]
        /\ used = [k \in Slots |-> 0]

Register(p, k) == /\ st[k] = 0 /\ bud[p] >= 1
                  /\ owner' = [owner EXCEPT ![k] = p]
                  /\ st' = [st EXCEPT ![k] = 1]
                  /\ stake' = [stake EXCEPT ![k] = 1]
                  /\ bud' = [bud EXCEPT ![p] = @ - 1]
                  /\ UNCHANGED <<w, infl, used>>

Admit(k) == /\ st[k] = 1
            /\ st' = [st EXCEPT ![k] = 2]
            /\ w' = [w EXCEPT ![k] = Min(stake[k], CAP)]
            /\ UNCHANGED <<owner, stake, bud, infl, used>>

TopUp(k) == /\ st[k] = 2 /\ bud[owner[k]] >= 1
            /\ stake' = [stake EXCEPT ![k] = @ + 1]
            /\ bud' = [bud EXCEPT ![owner[k]] = @ - 1]
            /\ w' = [w EXCEPT ![k] = IF Bug = 1 THEN stake[k] + 1 ELSE @]
            /\ UNCHANGED <<owner, st, infl, used>>

Contribute(k) == /\ st[k] = 2 /\ used[k] = 0
                 /\ infl' = [infl EXCEPT ![owner[k]] = @ + w[k]]
                 /\ used' = [used EXCEPT ![k] = 1]
                 /\ UNCHANGED <<owner, st, stake, w, bud>>

Exit(k) == /\ st[k] = 2
           /\ st' = [st EXCEPT ![k] = IF Bug = 3 THEN 0 ELSE 3]
           /\ w' = [w EXCEPT ![k] = IF Bug = 2 THEN @ ELSE 0]
           /\ stake' = [stake EXCEPT ![k] = IF Bug \in 2 .. 3 THEN 0 ELSE @]
           /\ bud' = [bud EXCEPT ![owner[k]] = IF Bug \in 2 .. 4 THEN @ + stake[k] ELSE @]
           /\ owner' = [owner EXCEPT ![k] = IF Bug = 3 THEN 0 ELSE @]
           /\ used' = [used EXCEPT ![k] = IF Bug = 3 THEN 0 ELSE @]
           /\ UNCHANGED infl

EndRound ==
    LET freed == {k \in Slots : st[k] = 3}
    IN  /\ bud' = [p \in Principals |-> bud[p] + Sum(stake, {k \in freed : owner[k] = p})]
        /\ owner' = [k \in Slots |-> IF k \in freed THEN 0 ELSE owner[k]]
        /\ st' = [k \in Slots |-> IF k \in freed THEN 0 ELSE st[k]]
        /\ stake' = [k \in Slots |-> IF k \in freed THEN 0 ELSE stake[k]]
        /\ w' = [k \in Slots |-> IF k \in freed THEN 0 ELSE w[k]]
        /\ infl' = [p \in Principals |-> 0]
        /\ used' = [k \in Slots |-> 0]

Next == \/ \E p \in Principals, k \in Slots : Register(p, k)
        \/ \E k \in Slots : Admit(k)
        \/ \E k \in Slots : TopUp(k)
        \/ \E k \in Slots : Contribute(k)
        \/ \E k \in Slots : Exit(k)
        \/ EndRound

Spec == Init /\ [][Next]_vars /\ (\A k \in Slots : WF_vars(Admit(k))) /\ WF_vars(EndRound)

BoundedInfluence == \A k \in Slots : w[k] <= CAP
SybilBound == \A p \in Principals : infl[p] <= B
BackedByStake == \A k \in Slots : w[k] <= stake[k]
Conservation == Sum(bud, Principals) + Sum(stake, Slots) = P * B

PendingIsAdmitted == (st[0] = 1) ~> (st[0] # 1)
UnbondingIsFreed == (st[0] = 3) ~> (st[0] = 0)
===============================================================================
