"""The ledger that a configuration asks for."""

from ghostjax._types import require
from ghostjax.cli._config import RunConfig
from ghostjax.sinks import Ledger


def ledgers(config: RunConfig) -> list[Ledger]:
    """The ledger that the configuration asks for, if it does."""
    alone = config.ledger or not (config.ledger_key or config.ledger_every)
    require(alone, "run", "ledger", "none", "a key and a period are those of a ledger; name its folder, --ledger DIR")
    require(config.ledger_every >= 0, "run", "ledger_every", config.ledger_every, "must not be negative")
    every = config.ledger_every or None
    return [Ledger(config.ledger, key=config.ledger_key or None, every=every)] if config.ledger else []
