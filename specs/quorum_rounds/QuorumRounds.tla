----------------------------- MODULE QuorumRounds -----------------------------
(* One entry decided in rounds, with locks. Values 1 .. V, 0 none. The       *)
(* leader of the last round is honest. Byzantine voters support every value. *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers, FiniteSets

CONSTANTS H, F, Q, R, V, Bug
VARIABLES rd, vote, pre, prop, log

vars == <<rd, vote, pre, prop, log>>
Voters == 0 .. H - 1
Rounds == 0 .. R - 1
Values == 1 .. V
Last == R - 1
Table == [n \in Voters |-> [r \in Rounds |-> 0]]

Max(S) == CHOOSE x \in S : \A y \in S : y <= x
Votes(r, v) == Cardinality({n \in Voters : vote[n][r] = v}) + F
Precommits(r, v) == Cardinality({n \in Voters : pre[n][r] = v}) + F
(* One plus the latest round with a quorum of votes for v, 0 if none. *)
Certificate(v) == Max({0} \cup {r + 1 : r \in {q \in Rounds : Votes(q, v) >= Q}})
Locked(n) == Max({0} \cup {r + 1 : r \in {q \in Rounds : pre[n][q] > 0}})
Lock(n) == IF Locked(n) = 0 THEN 0 ELSE pre[n][Locked(n) - 1]

Init == /\ rd = [n \in Voters |-> 0]
        /\ vote = Table /\ pre = Table
        /\ prop = 0
        /\ log = [n \in Voters |-> 0]

Propose(v) == /\ prop = 0
              /\ \A n \in Voters : rd[n] = Last
              /\ IF Bug = 1 THEN TRUE ELSE \A u \in Values : Certificate(u) <= Certificate(v)
              /\ prop' = v
              /\ UNCHANGED <<rd, vote, pre, log>>

Vote(n, v) == /\ vote[n][rd[n]] = 0
              /\ IF Locked(n) = 0 \/ Bug = 1 THEN TRUE
                 ELSE IF Lock(n) = v THEN TRUE ELSE Certificate(v) > Locked(n)
              /\ IF rd[n] < Last THEN TRUE ELSE prop = v
              /\ vote' = [vote EXCEPT ![n][rd[n]] = v]
              /\ UNCHANGED <<rd, pre, prop, log>>

Precommit(n, v) == /\ pre[n][rd[n]] = 0
                   /\ Votes(rd[n], v) >= (IF Bug = 2 THEN F + 1 ELSE Q)
                   /\ pre' = [pre EXCEPT ![n][rd[n]] = v]
                   /\ UNCHANGED <<rd, vote, prop, log>>

Commit(n, r, v) == /\ log[n] = 0
                   /\ Precommits(r, v) >= (IF Bug = 3 THEN F + 1 ELSE Q)
                   /\ log' = [log EXCEPT ![n] = v]
                   /\ UNCHANGED <<rd, vote, pre, prop>>

NextRound(n) == /\ rd[n] < Last
                /\ rd' = [rd EXCEPT ![n] = @ + 1]
                /\ log' = [log EXCEPT ![n] = IF Bug = 4 THEN 0 ELSE @]
                /\ UNCHANGED <<vote, pre, prop>>

Next == \/ \E v \in Values : Propose(v)
        \/ \E n \in Voters, v \in Values : Vote(n, v)
        \/ \E n \in Voters, v \in Values : Precommit(n, v)
        \/ \E n \in Voters, r \in Rounds, v \in Values : Commit(n, r, v)
        \/ \E n \in Voters : NextRound(n)

Spec == /\ Init /\ [][Next]_vars
        /\ WF_vars(\E v \in Values : Propose(v))
        /\ \A n \in Voters, v \in Values : WF_vars(Vote(n, v))
        /\ \A n \in Voters, v \in Values : WF_vars(Precommit(n, v))
        /\ \A n \in Voters, r \in Rounds, v \in Values : WF_vars(Commit(n, r, v))
        /\ \A n \in Voters : WF_vars(NextRound(n))

NoFork == \A m, n \in Voters : (log[m] # 0 /\ log[n] # 0) => log[m] = log[n]
NoUnilateralEntry == \A n \in Voters : log[n] # 0 =>
                        \E r \in Rounds : Cardinality({m \in Voters : pre[m][r] = log[n]}) >= F + 1
NoLostUpdate == [][\A n \in Voters : log[n] # 0 => log'[n] = log[n]]_vars
Decided == \A n \in Voters : log[n] # 0
EntryIsDecided == TRUE ~> Decided
===============================================================================
