"""The incident that carries the laboratory: a ghost on the wire."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from ghostjax._optimizer import Optimizer
from ghostjax._simulation import Simulation
from ghostjax._types import as_count, as_real
from ghostjax.aggregators import AbstractAggregator, Mean
from ghostjax.attacks import Backdoor
from ghostjax.charters import BlankPixels
from ghostjax.detectors import OwnPast, ShiryaevRoberts, Watch
from ghostjax.incident._incident import Incident
from ghostjax.learners import Gradient
from ghostjax.metrics import AbstractMetric, Charter, Goal
from ghostjax.protocols import Server
from ghostjax.tasks import digits
from ghostjax.tasks.models import MLP
from ghostjax.tasks.partition import dirichlet_per_node


def ghost(
    *,
    num_nodes: int = 64,
    owned: Any = 16,
    alpha: float = 0.5,
    partition: int = 0,
    aggregator: AbstractAggregator | None = None,
    eps: float = 0.5,
    t0: int = 80,
    rounds: int = 240,
    burn_in: tuple[int, int] = (20, 60),
    metrics: Sequence[AbstractMetric] = (),
    **options: Any,
) -> Incident:
    """One principal owns a quarter of a network that learns digits, and lets each identity push a little.

    The charter says that a pixel which is blank in all data must not matter; from round `t0` on, every owned identity
    adds `eps` times the median spread of honest messages towards "images with pixel 32 lit are a 3". The network and
    every identity are watched by Shiryaev-Roberts mixtures against their own past, rounds `burn_in`. `options` are
    those of `gj.incident.Incident`.
    """
    charter = BlankPixels((0, 32, 39))
    task = digits(
        num_nodes,
        partition=lambda y: dirichlet_per_node(y, num_nodes, alpha, seed=partition),
        model=MLP((64, 16, 10), activation=jnp.tanh),
        batch_size=8,
    )
    server = Server(Mean() if aggregator is None else aggregator, Optimizer(optax.sgd, learning_rate=0.5))
    past = OwnPast(rounds=as_count(burn_in[1] - burn_in[0]), skip=as_count(burn_in[0]))
    signal = Charter(charter)
    watches = {
        "network": Watch(signal, "charter_rise", ShiryaevRoberts(), past),
        "identities": Watch(signal, "charter_push", ShiryaevRoberts(), past),
    }
    simulation = Simulation(task, server, learner=Gradient(), metrics=(Goal(), *metrics))
    given = {
        "adversary": Backdoor(BlankPixels((32,)), target=as_count(3), eps=as_real(eps)),
        "owner": owned,
        "charter": charter,
    }
    return Incident(simulation, **{**given, "watches": watches, "t0": t0, "rounds": rounds, **options})
