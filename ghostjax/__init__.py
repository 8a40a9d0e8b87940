"""ghostjax: the laboratory for decentralized AI."""

from importlib.metadata import version as _version

from ghostjax import (
    aggregators as aggregators,
    attacks as attacks,
    attribution as attribution,
    channels as channels,
    charters as charters,
    correction as correction,
    detectors as detectors,
    governance as governance,
    identity as identity,
    incident as incident,
    learners as learners,
    ledger as ledger,
    metrics as metrics,
    ops as ops,
    protocols as protocols,
    sinks as sinks,
    tasks as tasks,
    topologies as topologies,
)
from ghostjax._byzantine import Share as Share
from ghostjax._compiled import compiler_options as compiler_options
from ghostjax._load import load_run as load_run
from ghostjax._optimizer import Optimizer as Optimizer, Schedule as Schedule
from ghostjax._participation import (
    churn as churn,
    sampled as sampled,
    splitting as splitting,
    stake as stake,
    whitewashing as whitewashing,
)
from ghostjax._random import Moment as Moment, stream as stream
from ghostjax._rollout import rollout as rollout
from ghostjax._round import (
    Ballots as Ballots,
    Motion as Motion,
    People as People,
    Reading as Reading,
    Received as Received,
    Round as Round,
    Seen as Seen,
    Session as Session,
    State as State,
    Verdict as Verdict,
)
from ghostjax._run import Run as Run, RunResult as RunResult, simulate as simulate
from ghostjax._simulation import Simulation as Simulation
from ghostjax._sweep import (
    Axis as Axis,
    collect as collect,
    difference as difference,
    mean_over_seeds as mean_over_seeds,
    Sweep as Sweep,
    sweep as sweep,
    worst_case as worst_case,
)
from ghostjax._training import Training as Training
from ghostjax._types import ConfigurationError as ConfigurationError
from ghostjax._verify import verify as verify


__version__ = _version("ghostjax")
