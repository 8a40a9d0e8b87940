------------------------------- MODULE Slashing -------------------------------
(* Bonds, evidence, accusations. The last node is Byzantine.                 *)
(* Bug 0 is the protocol, others are its mutants.                            *)
EXTENDS Integers

CONSTANTS N, B, Bug
VARIABLES bond, off, ev, done, rep, out, false

vars == <<bond, off, ev, done, rep, out, false>>
Nodes == 0 .. N - 1
Bad == N - 1
Zero == [i \in Nodes |-> 0]

Init == /\ bond = [i \in Nodes |-> B]
        /\ rep = [i \in Nodes |-> 1]
        /\ off = Zero /\ ev = Zero /\ done = Zero /\ out = Zero /\ false = Zero

Offend == /\ off[Bad] = 0 /\ out[Bad] = 0
          /\ off' = [off EXCEPT ![Bad] = 1]
          /\ UNCHANGED <<bond, ev, done, rep, out, false>>

Report(i) == /\ off[i] = 1 /\ ev[i] = 0 /\ out[i] = 0
             /\ IF Bug = 1 THEN TRUE ELSE done[i] = 0
             /\ ev' = [ev EXCEPT ![i] = 1]
             /\ UNCHANGED <<bond, off, done, rep, out, false>>

Frame(i) == /\ off[i] = 0 /\ false[i] = 0 /\ ev[i] = 0
            /\ false' = [false EXCEPT ![i] = 1]
            /\ UNCHANGED <<bond, off, ev, done, rep, out>>

Slash(i) == /\ IF ev[i] = 1 THEN TRUE ELSE Bug = 2 /\ false[i] = 1
            /\ bond[i] > 0
            /\ bond' = [bond EXCEPT ![i] = @ - 1]
            /\ ev' = [ev EXCEPT ![i] = 0]
            /\ false' = [false EXCEPT ![i] = 0]
            /\ rep' = [rep EXCEPT ![i] = 0]
            /\ done' = [done EXCEPT ![i] = @ + 1]
            /\ UNCHANGED <<off, out>>

Dismiss(i) == /\ false[i] = 1
              /\ false' = [false EXCEPT ![i] = 0]
              /\ UNCHANGED <<bond, off, ev, done, rep, out>>

CleanRound(i) == /\ rep[i] < 2 /\ ev[i] = 0 /\ out[i] = 0
                 /\ rep' = [rep EXCEPT ![i] = @ + 1]
                 /\ UNCHANGED <<bond, off, ev, done, out, false>>

Exit(i) == /\ out[i] = 0
           /\ IF Bug = 3 THEN TRUE ELSE ev[i] = 0
           /\ out' = [out EXCEPT ![i] = 1]
           /\ bond' = [bond EXCEPT ![i] = 0]
           /\ UNCHANGED <<off, ev, done, rep, false>>

Rejoin(i) == /\ out[i] = 1
             /\ IF off[i] = 0 THEN TRUE ELSE done[i] > 0
             /\ out' = [out EXCEPT ![i] = 0]
             /\ bond' = [bond EXCEPT ![i] = B]
             /\ rep' = [rep EXCEPT ![i] = IF Bug = 4 THEN 2 ELSE 0]
             /\ UNCHANGED <<off, ev, done, false>>

Next == \/ Offend
        \/ \E i \in Nodes : Report(i)
        \/ \E i \in Nodes : Frame(i)
        \/ \E i \in Nodes : Slash(i)
        \/ \E i \in Nodes : Dismiss(i)
        \/ \E i \in Nodes : CleanRound(i)
        \/ \E i \in Nodes : Exit(i)
        \/ \E i \in Nodes : Rejoin(i)

Spec == Init /\ [][Next]_vars /\ WF_vars(\E i \in Nodes : Slash(i))

HonestNeverSlashed == \A i \in Nodes : off[i] = 0 => done[i] = 0
NoDoubleSlash == \A i \in Nodes : done[i] <= off[i]
NoEscape == \A i \in Nodes : ev[i] = 1 => bond[i] > 0
RepOnlyEarned == [][\A i \in Nodes : /\ rep'[i] <= rep[i] + 1
                                     /\ (out[i] = 1 /\ out'[i] = 0) => rep'[i] <= rep[i]]_vars
(* False, whatever is fair: the bond is withdrawn before anybody reports. *)
OffenceIsSlashed == (off[Bad] = 1) ~> (done[Bad] > 0)
EvidenceIsCleared == (\E i \in Nodes : ev[i] = 1) ~> (\A i \in Nodes : ev[i] = 0)
===============================================================================
