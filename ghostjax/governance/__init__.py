"""Who decides what is done about it: verdicts, votes, power, and the earlier models that can be returned to."""

from ghostjax.governance._base import (
    AbstractElectorate as AbstractElectorate,
    AbstractGovernance as AbstractGovernance,
)
from ghostjax.governance._deliberation import deliberate as deliberate
from ghostjax.governance._execution import execution_rounds as execution_rounds
from ghostjax.governance._matters import Matter as Matter, matters as matters
from ghostjax.governance._procedure import Kind as Kind, Outcome as Outcome, Phase as Phase
from ghostjax.governance._snapshots import Ring as Ring, Snapshots as Snapshots
from ghostjax.governance._time import rounds_to_execution as rounds_to_execution
from ghostjax.governance.council import Council as Council
from ghostjax.governance.electorate import Electorate as Electorate
from ghostjax.governance.power import (
    banzhaf as banzhaf,
    expected_rounds as expected_rounds,
    gini as gini,
    nakamoto as nakamoto,
    passing_probability as passing_probability,
    shapley_shubik as shapley_shubik,
)
from ghostjax.governance.scheduled import Scheduled as Scheduled
