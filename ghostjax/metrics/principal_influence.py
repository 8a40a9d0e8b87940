"""The share of each principal in the result."""

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Array

from ghostjax._round import Round
from ghostjax.metrics._base import AbstractMetric, Output
from ghostjax.metrics._principals import by_principal
from ghostjax.metrics.influence import Influence


class PrincipalInfluence(AbstractMetric):
    """The share of the result that is owed to each principal, over all of its identities.

        principal_influence_p = sum over i with owner_i = p of tr(dy / dx_i) / d

    Principals are numbered 0, 1, .. in the order of `Simulation(owner=)`. There are n places; those beyond the last
    principal are 0. `largest_influence` is that of the principal with the most.

    **Guarantee:** for the mean it is the principal's share of the weight, so its odds grow by `identity.split_gain`
    when it splits. It is a derivative at the messages of the round, and no bound; `rule.certificate(x, w, owner == p)`
    is one.
    **Estimate:** that of `Influence`, from the same random signs.

    ```python
    >>> import ghostjax as gj
    >>> task, protocol = gj.tasks.quadratic(4, 3), gj.protocols.Server(gj.aggregators.Mean())
    >>> sim = gj.Simulation(task, protocol, owner=[0, 1, 1, 1], metrics=[gj.metrics.PrincipalInfluence()])
    >>> gj.simulate(sim, 1, progress=None).record["principal_influence"].round(3).tolist()
    [[0.25, 0.75, 0.0, 0.0]]

    ```
    """

    outputs: ClassVar[Mapping[str, Output]] = {
        "principal_influence": Output(dims=("principal",), long_name="share of the result by principal"),
        "largest_influence": Output(long_name="largest share of the result of one principal", better="lower"),
    }

    def __call__(self, round: Round) -> dict[str, Array]:
        influence = by_principal(Influence()(round)["influence"], round.owner)
        return {"principal_influence": influence, "largest_influence": influence.max()}
