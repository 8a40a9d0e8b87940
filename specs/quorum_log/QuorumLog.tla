------------------------------- MODULE QuorumLog -------------------------------
(* A log that only a quorum extends. Values 1 and 2 are updates, 3 is        *)
(* ROLLBACK, 0 is none. Byzantine voters support every value always.         *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers, FiniteSets

CONSTANTS H, Hh, F, Q, Bug
VARIABLES vote, log

vars == <<vote, log>>
Voters == 0 .. H - 1
Heights == 0 .. Hh - 1
Values == 1 .. 3
None == [n \in Voters |-> [h \in Heights |-> 0]]

Ready(n, h) == IF h = 0 THEN TRUE ELSE log[n][h - 1] > 0
Votes(h, v) == Cardinality({n \in Voters : vote[n][h] = v})

Support(h, v) == IF Bug = 5 THEN Cardinality({n \in Voters : \E g \in Heights : vote[n][g] = v}) ELSE Votes(h, v)

Init == vote = None /\ log = None

Vote(n, h, v) == /\ Ready(n, h)
                 /\ IF Bug = 2 THEN log[n][h] = 0 /\ vote[n][h] # v ELSE vote[n][h] = 0
                 /\ vote' = [vote EXCEPT ![n][h] = v]
                 /\ UNCHANGED log

Commit(r, h, v) == /\ log[r][h] = 0 /\ Ready(r, h)
                   /\ IF Bug = 3 /\ v = 3 THEN TRUE ELSE Support(h, v) + F >= (IF Bug = 1 THEN (H + F) \div 2 ELSE Q)
                   /\ log' = [log EXCEPT ![r] = [g \in Heights |->
                                IF g = h THEN v ELSE IF Bug = 4 /\ v = 3 /\ h = 1 /\ g = 0 THEN 0 ELSE log[r][g]]]
                   /\ UNCHANGED vote

AnyVote == \E n \in Voters, h \in Heights, v \in Values : Vote(n, h, v)
AnyCommit == \E r \in Voters, h \in Heights, v \in Values : Commit(r, h, v)
Next == AnyVote \/ AnyCommit
Spec == Init /\ [][Next]_vars /\ WF_vars(AnyVote) /\ WF_vars(AnyCommit)

Backed(v) == \A r \in Voters, h \in Heights : log[r][h] = v => Votes(h, v) >= F + 1
NoFork == \A r, s \in Voters, h \in Heights :
             (log[r][h] # 0 /\ log[s][h] # 0) => log[r][h] = log[s][h]
NoUnilateralRollback == Backed(3)
CertBacked == Backed(1) /\ Backed(2)
NoLostUpdate == [][\A r \in Voters, h \in Heights : log[r][h] # 0 => log'[r][h] = log[r][h]]_vars
(* False: votes may split for ever. *)
HeightIsDecided == TRUE ~> (\E r \in Voters : log[r][0] # 0)
DecisionSpreads == (\E r \in Voters : log[r][0] # 0) ~> (\A r \in Voters : log[r][0] # 0)
===============================================================================
