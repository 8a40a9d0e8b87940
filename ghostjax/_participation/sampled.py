"""A random share of the nodes in every round."""

import dataclasses

import numpy as np

from ghostjax._border import number
from ghostjax._participation._base import AbstractParticipation
from ghostjax._participation._stream import seed_of, uniforms
from ghostjax._types import Key, require


@dataclasses.dataclass(frozen=True, eq=False)
class Sampled(AbstractParticipation):
    """`m` of the nodes in every round; see `sampled`."""

    share: float
    seed: int | None = None

    @property
    def drawn(self) -> bool:
        return self.seed is None

    def rows(self, rounds: int, n: int, key: Key | None) -> np.ndarray:
        m = max(1, round(self.share * n))
        order = np.argsort(uniforms(key, self.seed, rounds, n), axis=1, kind="stable")
        weights = np.zeros((rounds, n), np.int8)
        np.put_along_axis(weights, order[:, :m], 1, axis=1)
        return weights


def sampled(share: float, seed: int | None = None) -> Sampled:
    """Participation of a random share of the nodes: m of them in every round, uniformly and independently.

        m = max(1, round(share n)),    P(i takes part) = m / n,    P(i and j do) = m (m - 1) / (n (n - 1))

    A node that takes part counts 1, so `f=4` means four of the nodes that take part. The draws come from the stream
    "participation" of the run's key, by round. A run that is continued, or cut in chunks, therefore has the draws of an
    uninterrupted one, and they differ between the seeds of a sweep. With a `seed` they come from the seed instead, and
    are the same under every key.

    **Guarantee:** exact up to ties of 23-bit numbers, which go to the lower index.
    **Errors:** a share outside (0, 1].

    ```python
    >>> import ghostjax as gj
    >>> task = gj.tasks.digits(8, model=gj.tasks.models.MLP((64, 10)))
    >>> simulation = gj.Simulation(task, gj.protocols.Server(gj.aggregators.Mean()))
    >>> gj.simulate(simulation, 3, participation=gj.sampled(0.5)).record["present"].tolist()
    [4.0, 4.0, 4.0]

    ```

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data,
    arXiv:1602.05629 (their fraction C of clients).
    """
    number(share, "sampled", "share", 0, 1)
    require(share > 0, "sampled", "share", share, "give a share above 0, otherwise nobody takes part")
    return Sampled(float(share), seed_of(seed, "sampled"))
