"""Channels between senders and receivers, one per file."""

from ghostjax.channels._base import AbstractChannel as AbstractChannel, Carried as Carried
from ghostjax.channels.drop import Drop as Drop
