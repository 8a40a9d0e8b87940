"""Protocols: how updates become messages, who aggregates them, and how the result is applied.

A rule for gossip alone (ClippedGossip and its family, which compare messages with the receiver's own model) is a kind
of rule in `aggregators/` and a branch in `_receivers.py`. A new way to exchange models is a new protocol here.
"""

from ghostjax.protocols._base import AbstractProtocol as AbstractProtocol, Margins as Margins
from ghostjax.protocols.gossip import Gossip as Gossip, GossipState as GossipState
from ghostjax.protocols.server import Server as Server
