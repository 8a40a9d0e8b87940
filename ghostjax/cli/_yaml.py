"""Reading YAML strictly: a key once, numbers as people write them, and every mistake in one line."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ghostjax._types import ConfigurationError


class _Strict(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-3 and 1.0e-3 for text, as their exponents have no sign or they have no point.
_Strict.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read(path: Path) -> dict[Any, Any]:
    """The mapping in the YAML file `path`; `ConfigurationError` for anything else."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Strict)
    except FileNotFoundError:
        raise ConfigurationError(f"config={path}: no such file") from None
    except OSError as error:
        raise ConfigurationError(f"config={path}: cannot be read ({error.strerror}); name a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"config={path}: not YAML: {_why(error)}") from None
    except RecursionError:
        raise ConfigurationError(f"config={path}: nested too deeply") from None
    if not isinstance(content, dict):
        seen = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigurationError(f"config={path}: holds {seen}; needs a mapping of fields to values, e.g. nodes: 64")
    if _endless(content, set()):
        raise ConfigurationError(f"config={path}: refers to itself; write every value out")
    return content


def _why(error: Exception) -> str:
    """What is wrong and where, without the drawing."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    tab = "; indent with spaces, not tabs" if "\\t" in problem else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}{tab}"


def _endless(value: Any, above: set[int]) -> bool:
    """Whether a value holds itself, as anchors can make it do."""
    if not isinstance(value, dict | list):
        return False
    if id(value) in above:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_endless(item, above | {id(value)}) for item in inner)
