"""One row per channel, with one of its kind that has nothing to do: every law of `check_channel` runs on each."""

from ghostjax import channels


TABLE = {
    "drop": lambda: (channels.Drop(0.3), channels.Drop(0.0)),
}
