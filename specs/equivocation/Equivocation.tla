---------------------------- MODULE Equivocation ----------------------------
(* Reliable broadcast of one message. Values 1 .. V, 0 nothing. An honest    *)
(* sender says 1. Byzantine nodes may support any value: what needs them is  *)
(* possible (Helped), not promised. Bug 0 is the protocol, others are its    *)
(* mutants; with Bug 6 nobody joins those who are ready.                     *)
EXTENDS Integers, FiniteSets

CONSTANTS H, F, V, Bug
VARIABLES sender, told, echo, ready, count

vars == <<sender, told, echo, ready, count>>
Receivers == 0 .. H - 1
Values == 1 .. V
Q == 2 * F + 1
Nothing == [n \in Receivers |-> 0]
Number(table, v) == Cardinality({n \in Receivers : table[n] = v})

Init == /\ sender \in 0 .. 1
        /\ told = Nothing /\ echo = Nothing /\ ready = Nothing /\ count = Nothing

Tell(n, v) == /\ IF Bug = 3 THEN told[n] # v ELSE told[n] = 0
              /\ IF sender = 0 THEN TRUE ELSE v = 1
              /\ told' = [told EXCEPT ![n] = v]
              /\ UNCHANGED <<sender, echo, ready, count>>

Echo(n) == /\ told[n] > 0
           /\ IF Bug = 3 THEN echo[n] # told[n] ELSE echo[n] = 0
           /\ echo' = [echo EXCEPT ![n] = told[n]]
           /\ UNCHANGED <<sender, told, ready, count>>

ReadyWith(help, n, v) ==
    /\ ready[n] = 0
    /\ IF Number(echo, v) + help >= (IF Bug = 2 THEN F + 1 ELSE Q) THEN TRUE
       ELSE Bug # 6 /\ Number(ready, v) + help >= (IF Bug = 4 THEN F ELSE F + 1)

Ready(n, v) == /\ ReadyWith(0, n, v)
               /\ ready' = [ready EXCEPT ![n] = v]
               /\ UNCHANGED <<sender, told, echo, count>>

ReadyHelped(n, v) == /\ ReadyWith(F, n, v)
                     /\ ready' = [ready EXCEPT ![n] = v]
                     /\ UNCHANGED <<sender, told, echo, count>>

CountWith(help, n, v) ==
    /\ count[n] = 0
    /\ IF Bug = 1 THEN told[n] = v ELSE Number(ready, v) + help >= (IF Bug = 5 THEN F ELSE Q)

Count(n, v) == /\ CountWith(0, n, v)
               /\ count' = [count EXCEPT ![n] = v]
               /\ UNCHANGED <<sender, told, echo, ready>>

CountHelped(n, v) == /\ CountWith(F, n, v)
                     /\ count' = [count EXCEPT ![n] = v]
                     /\ UNCHANGED <<sender, told, echo, ready>>

Next == \/ \E n \in Receivers, v \in Values : Tell(n, v)
        \/ \E n \in Receivers : Echo(n)
        \/ \E n \in Receivers, v \in Values : Ready(n, v)
        \/ \E n \in Receivers, v \in Values : ReadyHelped(n, v)
        \/ \E n \in Receivers, v \in Values : Count(n, v)
        \/ \E n \in Receivers, v \in Values : CountHelped(n, v)

Spec == /\ Init /\ [][Next]_vars
        /\ \A n \in Receivers, v \in Values : WF_vars(Tell(n, v))
        /\ \A n \in Receivers : WF_vars(Echo(n))
        /\ \A n \in Receivers, v \in Values : WF_vars(Ready(n, v))
        /\ \A n \in Receivers, v \in Values : WF_vars(Count(n, v))

OneValue(table) == \A m, n \in Receivers : (table[m] # 0 /\ table[n] # 0) => table[m] = table[n]
SameForAll == OneValue(count)
OneValueIsReady == OneValue(ready)
HonestIsNotMisquoted == sender = 1 => \A n \in Receivers : count[n] <= 1
ReadyForWhatWasTold == \A n \in Receivers : ready[n] # 0 => \E m \in Receivers : told[m] = ready[n]
Everyone == \A n \in Receivers : count[n] # 0
HonestIsCountedByAll == (sender = 1) ~> Everyone
(* False: who tells too many things is not counted. *)
EverybodyIsCounted == TRUE ~> (\E n \in Receivers : count[n] # 0)
CountedByOneByAll == (\E n \in Receivers : count[n] # 0) ~> Everyone
===============================================================================
