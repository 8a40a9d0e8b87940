-------------------------- MODULE AdmissionRewards --------------------------
(* Identities cost stake, influence earns money from a pool, applicants may  *)
(* be rejected and proofs of personhood revoked. st: 0 free, 1 pending,      *)
(* 2 active, 3 unbonding. start: wealth when the round began. Bug 0 is the   *)
(* protocol, others are its mutants.                                         *)
EXTENDS Integers, FiniteSets

CONSTANTS P, K, B, E, CAP, R, Bug
VARIABLES owner, st, stake, w, used, pop, bud, infl, start, pool

vars == <<owner, st, stake, w, used, pop, bud, infl, start, pool>>
Principals == 0 .. P - 1
Slots == 0 .. K - 1
Total == P * B + R
Zero == [k \in Slots |-> 0]
Everybody(x) == [p \in Principals |-> x]
Min(a, b) == IF a < b THEN a ELSE b

RECURSIVE Sum(_, _)
Sum(f, S) == IF S = {} THEN 0
             ELSE LET x == CHOOSE y \in S : TRUE IN f[x] + Sum(f, S \ {x})

Owned(p) == {k \in Slots : owner[k] = p}
Wealth(p) == bud[p] + Sum(stake, Owned(p))

Init == /\ owner = Zero /\ st = Zero /\ stake = Zero /\ w = Zero /\ used = Zero
        /\ pop = Everybody(1)
        /\ bud = Everybody(B)
        /\ infl = Everybody(0)
        /\ start = Everybody(B)
        /\ pool = R

Register(p, k, s) == /\ st[k] = 0 /\ bud[p] >= s /\ pop[p] = 1
                     /\ owner' = [owner EXCEPT ![k] = p]
                     /\ st' = [st EXCEPT ![k] = 1]
                     /\ stake' = [stake EXCEPT ![k] = s]
                     /\ bud' = [bud EXCEPT ![p] = @ - s]
                     /\ UNCHANGED <<w, used, pop, infl, start, pool>>

Admit(k) == /\ st[k] = 1
            /\ IF Bug = 4 THEN TRUE ELSE pop[owner[k]] = 1
            /\ st' = [st EXCEPT ![k] = 2]
            /\ w' = [w EXCEPT ![k] = Min(stake[k], CAP)]
            /\ UNCHANGED <<owner, stake, used, pop, bud, infl, start, pool>>

Reject(k) == /\ IF Bug = 3 THEN st[k] \in 1 .. 2 ELSE st[k] = 1
             /\ owner' = [owner EXCEPT ![k] = 0]
             /\ st' = [st EXCEPT ![k] = 0]
             /\ stake' = [stake EXCEPT ![k] = 0]
             /\ w' = [w EXCEPT ![k] = 0]
             /\ used' = [used EXCEPT ![k] = 0]
             /\ bud' = [bud EXCEPT ![owner[k]] = @ + stake[k]]
             /\ UNCHANGED <<pop, infl, start, pool>>

TopUp(k) == /\ st[k] = 2 /\ bud[owner[k]] >= 1
            /\ stake' = [stake EXCEPT ![k] = @ + 1]
            /\ bud' = [bud EXCEPT ![owner[k]] = @ - 1]
            /\ w' = [w EXCEPT ![k] = IF Bug = 1 THEN stake[k] + 1 ELSE @]
            /\ UNCHANGED <<owner, st, used, pop, infl, start, pool>>

Contribute(k) == LET now == IF Bug = 2 THEN Min(w[k], pool) ELSE 0
                 IN  /\ st[k] = 2 /\ used[k] = 0
                     /\ infl' = [infl EXCEPT ![owner[k]] = @ + w[k]]
                     /\ used' = [used EXCEPT ![k] = 1]
                     /\ bud' = [bud EXCEPT ![owner[k]] = @ + now]
                     /\ pool' = pool - now
                     /\ UNCHANGED <<owner, st, stake, w, pop, start>>

Exit(k) == /\ st[k] = 2
           /\ st' = [st EXCEPT ![k] = 3]
           /\ w' = [w EXCEPT ![k] = 0]
           /\ UNCHANGED <<owner, stake, used, pop, bud, infl, start, pool>>

Revoke(p) == LET mine == {k \in Slots : owner[k] = p /\ st[k] = 2}
                 taken == IF Bug = 5 THEN mine ELSE {}
                 back == IF Bug = 7 THEN Sum(stake, mine) ELSE 0
             IN  /\ pop[p] = 1
                 /\ pop' = [pop EXCEPT ![p] = 0]
                 /\ st' = [k \in Slots |-> IF k \in mine \ taken THEN 3 ELSE st[k]]
                 /\ w' = [k \in Slots |-> IF k \in mine \ taken THEN 0 ELSE w[k]]
                 /\ stake' = [k \in Slots |-> IF k \in taken THEN 0 ELSE stake[k]]
                 /\ pool' = pool + Sum(stake, taken)
                 /\ bud' = [bud EXCEPT ![p] = @ + back]
                 /\ UNCHANGED <<owner, used, infl, start>>

(* Pays what influence earned if the pool has enough for everybody. *)
EndRound ==
    LET freed == {k \in Slots : st[k] = 3}
        seized == {k \in freed : pop[owner[k]] = 0}
        wants == [p \in Principals |->
                    IF pop[p] = 0 THEN 0
                    ELSE IF Bug = 6 THEN Sum(stake, {k \in Owned(p) : used[k] = 1}) ELSE infl[p]]
        all == Sum(wants, Principals)
        pays == all <= pool /\ Bug # 2
        gets == [p \in Principals |-> bud[p] + Sum(stake, (freed \ seized) \cap Owned(p))
                                              + (IF pays THEN wants[p] ELSE 0)]
    IN  /\ bud' = gets
        /\ owner' = [k \in Slots |-> IF k \in freed THEN 0 ELSE owner[k]]
        /\ st' = [k \in Slots |-> IF k \in freed THEN 0 ELSE st[k]]
        /\ stake' = [k \in Slots |-> IF k \in freed THEN 0 ELSE stake[k]]
        /\ w' = [k \in Slots |-> IF k \in freed THEN 0 ELSE w[k]]
        /\ used' = Zero
        /\ infl' = Everybody(0)
        /\ pool' = pool + Sum(stake, seized) - (IF pays THEN all ELSE 0)
        /\ start' = [p \in Principals |-> gets[p] + Sum(stake, Owned(p) \ freed)]
        /\ UNCHANGED pop

Next == \/ \E p \in Principals, k \in Slots, s \in 1 .. E : Register(p, k, s)
        \/ \E k \in Slots : Admit(k)
        \/ \E k \in Slots : Reject(k)
        \/ \E k \in Slots : TopUp(k)
        \/ \E k \in Slots : Contribute(k)
        \/ \E k \in Slots : Exit(k)
        \/ \E p \in Principals : Revoke(p)
        \/ EndRound

Spec == /\ Init /\ [][Next]_vars
        /\ \A k \in Slots : WF_vars(Admit(k))
        /\ \A k \in Slots : WF_vars(Reject(k))
        /\ WF_vars(EndRound)

BoundedInfluence == \A k \in Slots : w[k] <= CAP
SybilBound == \A p \in Principals : infl[p] <= start[p]
BackedByStake == \A k \in Slots : w[k] <= stake[k]
Conservation == Sum(bud, Principals) + Sum(stake, Slots) + pool = Total
RevokedHasNoWeight == \A p \in Principals : pop[p] = 0 => Sum(w, Owned(p)) = 0
GainIsEarned == [][\A p \in Principals : Wealth(p)' <= Wealth(p) + infl[p]]_vars

PendingIsDecided == (st[0] = 1) ~> (st[0] # 1)
Inside == pop[0] = 0 /\ Sum(stake, Owned(0)) > 0
RevokedIsOut == Inside ~> ~Inside
===============================================================================
