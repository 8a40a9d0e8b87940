"""A log of a run that nobody changes unnoticed: Merkle tree, signed heads, proofs, and evidence about identities."""

from ghostjax.ledger._canonical import CanonicalReplay as CanonicalReplay
from ghostjax.ledger._check import check as check, Findings as Findings
from ghostjax.ledger._evidence import evidence as evidence
from ghostjax.ledger._head import Head as Head, split_view as split_view
from ghostjax.ledger._keys import Key as Key, read_key as read_key
from ghostjax.ledger._log import Log as Log
from ghostjax.ledger._merkle import (
    extends as extends,
    includes as includes,
    leaf_hash as leaf_hash,
    node_hash as node_hash,
    Tree as Tree,
)
from ghostjax.ledger._training import training as training
