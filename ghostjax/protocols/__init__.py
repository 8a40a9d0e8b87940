"""Protocols: how updates become messages, who aggregates, what happens with the result.

A rule for gossip alone (ClippedGossip and its family, which compare messages with the receiver's own) is a kind of
rule in `aggregators/` and a branch in `_receivers.py`; a new way to exchange models is a protocol of its own here.
"""

from ghostjax.protocols._base import AbstractProtocol as AbstractProtocol, Margins as Margins
from ghostjax.protocols.gossip import Gossip as Gossip, GossipState as GossipState
from ghostjax.protocols.server import Server as Server
