"""Sinks: objects that follow a run on the host, `gj.simulate(..., sinks=[...])`."""

from ghostjax.sinks._base import AbstractSink as AbstractSink, Beginning as Beginning
from ghostjax.sinks.early_stopping import EarlyStopping as EarlyStopping
from ghostjax.sinks.jsonl import JSONL as JSONL
from ghostjax.sinks.ledger import Ledger as Ledger
from ghostjax.sinks.progress import Progress as Progress
from ghostjax.sinks.results import Results as Results
from ghostjax.sinks.tensorboard import TensorBoard as TensorBoard
from ghostjax.sinks.weights_and_biases import WandB as WandB
