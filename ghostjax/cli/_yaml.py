"""Reads YAML strictly: numbers of YAML 1.2, unique keys, bounded work, and every mistake in one line.

Only PyYAML's grammar is used. Its values are those of YAML 1.1 (`010` is 8, `1:20` is 80, `no` is False), some of its
constructors raise other errors, and it does not bound the expansion of aliases.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ghostjax._types import ConfigurationError


LIMIT, VALUES, DEPTH = 2**18, 10_000, 100
"""Bytes of a file, values in it with every alias written out, and how deeply they nest."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False, ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
} | {sign + word: float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}  # fmt: skip


class _Grammar(yaml.SafeLoader):
    """The nodes as they are written, without tags. The functions below give plain scalars their values."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return "none"

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        # Its work grows with the square of the depth.
        if self.flow_level > DEPTH:
            raise yaml.MarkedYAMLError(None, None, "nested too deeply", self.get_mark())
        super().fetch_flow_collection_start(TokenClass)


class _Quoting(yaml.SafeDumper):
    """Quotes every text that would not be read back as this text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# A text is quoted if it would be read as another value or refused: by the dumper's rule or by this one.
_Quoting.add_implicit_resolver(
    "tag:ghostjax,2026:value", re.compile(r"^[-+]?(0[oxb]\w+|[\d_.]+([eE][-+]?\d+)?)$"), list("-+.0123456789")
)


class _Wrong(Exception):
    """A mistake, and its node."""

    def __init__(self, node: yaml.Node, problem: str):
        super().__init__(f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}: {problem}")


def read(path: Path) -> dict[Any, Any]:
    """The mapping in the YAML file `path`; `ConfigurationError` for anything else."""
    call = f"config={path}"
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise ConfigurationError(f"{call}: no such file") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{call}: cannot be read ({why}); name a YAML file") from None
    if len(data) > LIMIT:
        raise ConfigurationError(f"{call}: is longer than {LIMIT >> 10} KiB; a configuration is a page of text")
    try:
        content = parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{call}: not YAML: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{call}: not YAML: {_why(error)}") from None
    except _Wrong as error:
        raise ConfigurationError(f"{call}: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{call}: nested too deeply; a configuration has {DEPTH} levels at most") from None
    if not isinstance(content, dict):
        seen = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigurationError(f"{call}: holds {seen}; needs a mapping of fields to values, e.g. nodes: 64")
    return content


def parse(text: str) -> Any:
    """The value of a YAML text, by the rules of YAML 1.2."""
    loader = _Grammar(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    return None if node is None else _Values().of(node, ())


def write(value: Any) -> str:
    """`value` as YAML that `parse` reads back."""
    return yaml.dump(value, Dumper=_Quoting, sort_keys=False, allow_unicode=True)


class _Values:
    def __init__(self) -> None:
        self.left = VALUES

    def of(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> Any:
        self.left -= 1
        if node in above:
            raise _Wrong(node, "refers to itself; write every value out")
        if self.left < 0:
            raise _Wrong(node, f"more than {VALUES} values, aliases written out; write fewer")
        if len(above) > DEPTH:
            raise _Wrong(node, f"nested too deeply, more than {DEPTH} levels")
        if node.tag != "none":
            raise _Wrong(node, f"{node.tag.replace('tag:yaml.org,2002:', '!!')}: leave tags out; write the value alone")
        inner = (*above, node)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, inner) for item in node.value]
        found: dict[Any, Any] = {}
        for key, value in node.value:
            if _merges(key):
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise _Wrong(key, "a key is a word, not a list or a mapping")
            name = self.of(key, inner)
            if name in found:
                raise _Wrong(key, f"{_short(key.value)} is given twice")
            found[name] = self.of(value, inner)
        for key, value in self.merged(node, inner):
            found.setdefault(key, value)
        return found

    def merged(self, node: Any, inner: tuple[yaml.Node, ...]) -> Iterator[tuple[Any, Any]]:
        """The entries that `<<` takes from other mappings, the first mapping first."""
        for key, value in node.value:
            if _merges(key):
                found = self.of(value, inner)
                for one in found if isinstance(found, list) else [found]:
                    if not isinstance(one, dict):
                        raise _Wrong(value, "<< takes over mappings only")
                    yield from one.items()


def _merges(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.style is None and key.value == "<<"


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    if "\0" in text or not _encodes(text):
        raise _Wrong(node, "holds a character that no file can hold")
    if node.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    digits = text.replace("_", "") if re.fullmatch(r"[-+]?\d+(_\d+)*", text) else text
    if not re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", digits) and not _NUMBER.fullmatch(digits):
        return text
    if len(digits) > 40:
        raise _Wrong(node, f"{_short(text)}: a number of {len(digits)} characters; write a shorter one")
    if re.fullmatch(r"0[ox].*", digits):
        return int(digits, 0)
    if re.fullmatch(r"[-+]?0\d.*", digits):
        bare = re.sub(r"^([-+]?)0+(?=\d)", r"\1", digits)
        raise _Wrong(node, f"{text}: some programs read this as octal; write {bare}, or 0o10 for octal numbers")
    if re.fullmatch(r"[-+]?\d+", digits):
        return int(digits)
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _Wrong(node, f"{text}: larger than any number here; write .inf for infinity")
    return value


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _why(error: Exception) -> str:
    """The mistake and its place, without PyYAML's drawing."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    tab = "; indent with spaces, not tabs" if "\\t" in problem else ""
    return " ".join(f"line {mark.line + 1}, column {mark.column + 1}: {problem}{tab}".split())
