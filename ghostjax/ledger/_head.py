"""The head of a log: how long it is and what it holds, signed by whoever keeps it."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from ghostjax._types import ConfigurationError
from ghostjax.ledger._keys import Key, signed_by
from ghostjax.ledger._merkle import extends, WIDTH


DOMAIN = b"ghostjax ledger head 1\n"
"""What a signature of a head begins with, so that it is none of anything else."""


class Head(NamedTuple):
    """A log of `size` entries with this `root`; `origin` is the sha256 of the file that says whose log it is.

    `signature` is 64 bytes of Ed25519 over all of that, empty where nobody signed. No time is in it: two heads of one
    size are equal, or one of them is a lie.
    """

    origin: bytes
    size: int
    root: bytes
    signature: bytes = b""

    def message(self) -> bytes:
        """What is signed."""
        return DOMAIN + self.origin + self.size.to_bytes(8, "big") + self.root

    def signed(self, key: Key | None) -> "Head":
        """This head with the signature of `key`; as it is without one."""
        return self if key is None else self._replace(signature=key.sign(self.message()))

    def by(self, public_key: bytes) -> bool:
        """Whether the owner of `public_key` signed it."""
        return signed_by(public_key, self.signature, self.message())

    def text(self) -> str:
        """One line of JSON, to send to others."""
        return json.dumps({name: value.hex() if isinstance(value, bytes) else value
                           for name, value in self._asdict().items()}, separators=(",", ":"))  # fmt: skip

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The head that `text` wrote; `ConfigurationError` for anything else."""
        try:
            plain = json.loads(text)
            origin, root, signature = (bytes.fromhex(plain[name]) for name in ("origin", "root", "signature"))
            head = cls(origin, plain["size"], root, signature)
            whole = len(head.origin) == len(head.root) == WIDTH and len(head.signature) in (0, 64)
            if type(head.size) is int and 0 <= head.size < 2**63 and whole:
                return head
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise ConfigurationError(f"Head.parse: text={text[:40]!r}: is no head; give what Head.text wrote")


def split_view(first: Head, second: Head, proof: Sequence[bytes] = (), public_key: bytes | None = None) -> str | None:
    """Whether two heads show two faces of one log: the contradiction in one line, None where they go together.

    `proof` is the log's own `consistency(smaller size)`, in the size of the larger head. Two heads of one size with
    different roots contradict each other whatever anybody shows. A proof that fails convicts the log only if it came
    from there. With a `public_key` both heads have to be signed by it: whoever signed both cannot deny them.

    Errors: `ConfigurationError` for heads of different logs, or that the key did not sign.

    ```python
    >>> import ghostjax as gj
    >>> from ghostjax.ledger import Head, leaf_hash, Tree
    >>> ours, theirs = (Tree(map(leaf_hash, entries)) for entries in ([b"a", b"b"], [b"a", b"x", b"c"]))
    >>> origin = bytes(32)
    >>> gj.ledger.split_view(Head(origin, 2, ours.root()), Head(origin, 3, theirs.root()), theirs.consistency(2))
    'the log of 2 entries is not the beginning of that of 3: their proof fails'

    ```
    """
    if first.origin != second.origin:
        raise ConfigurationError("split_view: second=another log's head: compare two heads of one log")
    for head in (first, second):
        if public_key is not None and not head.by(public_key):
            raise ConfigurationError(f"split_view: head={head.size} entries: it is not signed by this key")
    small, large = sorted((first, second), key=lambda head: head.size)
    if small.size == large.size:
        return None if small.root == large.root else f"two logs of {small.size} entries have different roots"
    if small.size == 0 or extends(small.size, small.root, large.size, large.root, proof):
        return None
    return f"the log of {small.size} entries is not the beginning of that of {large.size}: their proof fails"
