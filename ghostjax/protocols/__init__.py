"""Protocols: how updates become messages, who aggregates, what happens with the result."""

from ghostjax.protocols._base import AbstractProtocol as AbstractProtocol
from ghostjax.protocols.gossip import Gossip as Gossip, GossipState as GossipState
from ghostjax.protocols.server import Server as Server
