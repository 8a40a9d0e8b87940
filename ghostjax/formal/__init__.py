"""Specifications: a protocol defined once, explored exhaustively, fuzzed, and held against the simulator."""

from ghostjax.formal._bindings import (
    Implementation as Implementation,
    RandomMachine as RandomMachine,
    Recording as Recording,
)
from ghostjax.formal._check import check as check
from ghostjax.formal._errors import Unsound as Unsound
from ghostjax.formal._events import events as events, Phases as Phases
from ghostjax.formal._export import to_itf as to_itf, to_ndjson as to_ndjson, to_tla as to_tla
from ghostjax.formal._machine import (
    as_state_machine as as_state_machine,
    fuzz as fuzz,
    fuzz_settings as fuzz_settings,
    Statistics as Statistics,
)
from ghostjax.formal._page import graph_page as graph_page, trace_page as trace_page
from ghostjax.formal._program import Program as Program
from ghostjax.formal._report import Report as Report, Step as Step, Trace as Trace
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
from ghostjax.formal._validate import (
    Event as Event,
    validate_trace as validate_trace,
    validate_traces as validate_traces,
    Validation as Validation,
)
