"""Specifications: a protocol defined once, explored exhaustively, fuzzed, and held against the simulator."""

from ghostjax.formal._spec import (
    Action as Action,
    Fair as Fair,
    Label as Label,
    LeadsTo as LeadsTo,
    Mutant as Mutant,
    Spec as Spec,
    Symmetry as Symmetry,
    Var as Var,
)
