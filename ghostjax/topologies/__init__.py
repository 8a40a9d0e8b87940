"""Topologies: who receives from whom, and with which weight. One builder per file, and diagnostics."""

from ghostjax.topologies._base import (
    AbstractTopology as AbstractTopology,
    from_edges as from_edges,
    from_matrix as from_matrix,
    Topology as Topology,
    Weighting as Weighting,
)
from ghostjax.topologies._diagnostics import (
    byzantine_weight as byzantine_weight,
    connected as connected,
    describe as describe,
    laplacian_spectrum as laplacian_spectrum,
    mixing_matrix as mixing_matrix,
    spectral_gap as spectral_gap,
)
from ghostjax.topologies.chain import chain as chain
from ghostjax.topologies.complete import complete as complete
from ghostjax.topologies.cycle import Cycle as Cycle
from ghostjax.topologies.dumbbell import dumbbell as dumbbell
from ghostjax.topologies.erdos_renyi import erdos_renyi as erdos_renyi
from ghostjax.topologies.exponential import exponential as exponential
from ghostjax.topologies.random_regular import random_regular as random_regular
from ghostjax.topologies.ring import ring as ring
from ghostjax.topologies.star import star as star
from ghostjax.topologies.torus import torus as torus
from ghostjax.topologies.two_worlds import two_worlds as two_worlds
