------------------------------- MODULE Ledger -------------------------------
(* A log in three files (0 entries, 1 hashes, 2 heads), written as a reader  *)
(* finds them and durable as the disk keeps them. step: write file step / 2  *)
(* where it is even, flush it where it is odd, 6 acknowledge, 7 no writer.   *)
EXTENDS Integers

CONSTANTS B, A
VARIABLES written, durable, step, acked, seen, accidents

vars == <<written, durable, step, acked, seen, accidents>>
Files == 0 .. 2
Max(a, b) == IF a > b THEN a ELSE b

Init == /\ written = [f \in Files |-> 0]
        /\ durable = [f \in Files |-> 0]
        /\ step = 7 /\ acked = 0 /\ seen = 0 /\ accidents = 0

Write(f) == /\ step = 2 * f /\ written[f] < B
            /\ written' = [written EXCEPT ![f] = @ + 1]
            /\ step' = step + 1
            /\ UNCHANGED <<durable, acked, seen, accidents>>

Flush(f) == /\ step = 2 * f + 1
            /\ durable' = [durable EXCEPT ![f] = written[f]]
            /\ step' = step + 1
            /\ UNCHANGED <<written, acked, seen, accidents>>

Ack == /\ step = 6
       /\ acked' = written[2]
       /\ seen' = Max(seen, written[2])
       /\ step' = 0
       /\ UNCHANGED <<written, durable, accidents>>

(* The system writes to the disk whenever it likes.                          *)
Settle(f) == /\ written[f] > durable[f]
             /\ durable' = [durable EXCEPT ![f] = written[f]]
             /\ UNCHANGED <<written, step, acked, seen, accidents>>

Kill == /\ step # 7 /\ accidents < A
        /\ step' = 7
        /\ accidents' = accidents + 1
        /\ UNCHANGED <<written, durable, acked, seen>>

LosePower == /\ accidents < A
             /\ written' = durable
             /\ step' = 7
             /\ accidents' = accidents + 1
             /\ UNCHANGED <<durable, acked, seen>>

(* Heads are flushed, and what they do not count is cut.                     *)
Recover == /\ step = 7
           /\ written' = [f \in Files |-> written[2]]
           /\ durable' = [f \in Files |-> written[2]]
           /\ step' = 0
           /\ seen' = Max(seen, written[2])
           /\ UNCHANGED <<acked, accidents>>

Look == /\ written[2] > seen
        /\ durable' = [durable EXCEPT ![2] = written[2]]
        /\ seen' = written[2]
        /\ UNCHANGED <<written, step, acked, accidents>>

Next == \/ \E f \in Files : Write(f)
        \/ \E f \in Files : Flush(f)
        \/ Ack
        \/ \E f \in Files : Settle(f)
        \/ Kill
        \/ LosePower
        \/ Recover
        \/ Look

Spec == /\ Init /\ [][Next]_vars
        /\ (\A f \in Files : WF_vars(Write(f)))
        /\ (\A f \in Files : WF_vars(Flush(f)))
        /\ WF_vars(Ack)
        /\ WF_vars(Recover)

AcknowledgedIsDurable == \A f \in Files : durable[f] >= acked
SeenIsDurable == durable[2] >= seen
HeadsCountWhatIsThere == \A f \in Files : written[f] >= written[2]
Aligned == step # 0 \/ (\A f \in Files : written[f] = written[2])
NothingSeenIsCut == [][\A f \in Files : written'[f] >= seen]_vars
AllIsSeen == TRUE ~> (seen = B)
=============================================================================
