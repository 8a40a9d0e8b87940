"""Objects from text: `nnm(trimmed_mean(f=byzantine), f=byzantine)`.

A tiny language of calls, numbers, strings, lists and names of variables, parsed with `ast` and never
evaluated as Python. An expression can reach only names of the catalogue.
"""

import ast
import difflib
import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType, NoneType, UnionType
from typing import Any, get_args, get_origin, Literal, Union

from ghostjax._types import ConfigurationError
from ghostjax.cli._catalogue import catalogue, Entry


_OPERATORS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
}


_OF_NODES = ("tasks", "topologies")
"""Families whose calls take the number of nodes first. Expressions leave it out."""
_NUMBERS = {"inf": math.inf, "nan": math.nan}
LIMIT = 20_000
"""The largest number of characters of an expression."""


def build(
    parameter: str,
    text: str,
    family: str,
    variables: Mapping[str, Any],
    *leading: Any,
    missing: Mapping[str, Callable[[], Any]] | None = None,
) -> Any:
    """The object of `family` that `text` describes; `leading` arguments come before those in the text.

    `missing` makes arguments that the text leaves out, if the call has a parameter of that name.
    Errors name the parameter, the text and the nearest names.
    """
    node = parsed(parameter, text)
    text = _short(str(text))
    try:
        return _outermost(node, parameter, text, variables, family, leading, missing or {})
    except RecursionError:
        raise ConfigurationError(f"{parameter}={text!r}: not an expression (nested too deeply)") from None


def value(parameter: str, text: str, variables: Mapping[str, Any]) -> Any:
    """The value of `text`: a number, a text, a list, or an object of any family."""
    node = parsed(parameter, text)
    try:
        return _value(node, parameter, _short(str(text)), variables)
    except RecursionError:
        raise ConfigurationError(f"{parameter}={_short(str(text))!r}: not an expression (nested too deeply)") from None


def parsed(parameter: str, text: Any) -> ast.expr:
    """`text` as a tree, if it is an expression of bounded length."""
    text = str(text).strip()
    call = f"{parameter}={_short(text)!r}"
    if len(text) > LIMIT:
        raise ConfigurationError(f"{call}: not an expression ({len(text)} characters, at most {LIMIT})")
    try:
        # Python warns about texts such as "\d", and raises other errors for too many digits and for NUL.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ConfigurationError(
            f"{call}: not an expression ({error.msg}); write a call such as trimmed_mean(f=10)"
        ) from None
    except (RecursionError, MemoryError):
        raise ConfigurationError(f"{call}: not an expression (nested too deeply)") from None
    except ValueError as error:
        raise ConfigurationError(f"{call}: not an expression ({error})") from None


def names_in(text: str) -> set[str]:
    """Every name that an expression uses; none if it is no expression."""
    try:
        return {node.id for node in ast.walk(parsed("", text)) if isinstance(node, ast.Name)}
    except ConfigurationError:
        return set()


def _outermost(
    node: ast.expr,
    parameter: str,
    text: str,
    variables: Mapping[str, Any],
    family: str,
    leading: tuple,
    missing: Mapping[str, Callable[[], Any]],
) -> Any:
    if isinstance(node, ast.Name):
        node = ast.Call(node, [], [])
    if not isinstance(node, ast.Call):
        raise ConfigurationError(f"{parameter}={text!r}: write a call such as trimmed_mean(f=10)")
    return _call(node, parameter, text, variables, family, leading, missing)


def _call(
    node: ast.Call,
    parameter: str,
    text: str,
    variables: Mapping[str, Any],
    family: str | None,
    leading: tuple,
    missing: Mapping[str, Callable[[], Any]] = MappingProxyType({}),
) -> Any:
    entry = _entry(node.func, parameter, text, family)
    if family is None and entry.family in _OF_NODES and "nodes" in variables:
        leading = (variables["nodes"],)
    args = [*leading, *(_value(a, parameter, text, variables) for a in node.args)]
    named = [k.arg for k in node.keywords]
    if None in named:
        raise ConfigurationError(f"{parameter}={text!r}: {entry.name}: ** is not understood; name each parameter")
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise ConfigurationError(f"{parameter}={text!r}: {entry.name}: {twice[0]} is given twice; give it once")
    kwargs = {str(k.arg): _value(k.value, parameter, text, variables) for k in node.keywords}
    signature = inspect.signature(entry.make)
    try:
        given = signature.bind_partial(*args, **kwargs).arguments
        lacking = {name: make for name, make in missing.items() if name in signature.parameters and name not in given}
        signature.bind(*args, **kwargs, **lacking)
    except TypeError as error:
        raise ConfigurationError(
            f"{parameter}={text!r}: {entry.name}: {error}; it takes ({entry.parameters})"
        ) from None
    for name, value in given.items():
        kind = signature.parameters[name].annotation
        if not _fits(kind, value):
            seen = _short(" ".join(str(value).split()), 60)
            raise ConfigurationError(
                f"{parameter}={text!r}: {entry.name}: {name}={seen} must be {_called(kind)}, not {_said(value)}"
            )
    kwargs |= {name: make() for name, make in lacking.items()}
    try:
        return entry.make(*args, **kwargs)
    except ConfigurationError as error:
        said = " ".join(str(error).split())
        # Innermost first: the message of an inner object stays as it is.
        raise ConfigurationError(
            said if said.startswith(f"{parameter}=") else f"{parameter}={text!r}: {said}"
        ) from None
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError, MemoryError, AssertionError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigurationError(f"{parameter}={text!r}: {entry.name}: {_short(why[0])}") from error


def _entry(func: ast.expr, parameter: str, text: str, family: str | None) -> Entry:
    known = catalogue().items()
    entries = dict(known) if family is None else {e.name: e for _, e in known if e.family == family}
    if isinstance(func, ast.Name) and func.id in entries:
        return entries[func.id]
    name = _said_of(func)
    near = difflib.get_close_matches(name.lower(), entries, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(entries))}"
    raise ConfigurationError(f"{parameter}={text!r}: no {family or 'object'} named {name!r}; {hint}")


def _value(node: ast.expr, parameter: str, text: str, variables: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant) and not isinstance(node.value, bytes | complex) and node.value is not ...:
        return _bounded(node.value, node, parameter, text)
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(item, parameter, text, variables) for item in node.elts]
        return tuple(items)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _value(node.operand, parameter, text, variables)
        if isinstance(operand, int | float) and not isinstance(operand, bool):
            return -operand
        raise ConfigurationError(f"{parameter}={text!r}: {_said_of(node)}: only numbers have a sign")
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_value(side, parameter, text, variables) for side in (node.left, node.right))
        wrong = next((x for x in (left, right) if not isinstance(x, int | float) or isinstance(x, bool)), None)
        if wrong is not None:
            raise ConfigurationError(
                f"{parameter}={text!r}: {_said_of(node)}: reckons with numbers only, not {_said(wrong)}"
            )
        try:
            return _bounded(_OPERATORS[type(node.op)](left, right), node, parameter, text)
        except (ArithmeticError, ValueError) as error:
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(f"{parameter}={text!r}: {_said_of(node)}: {error}") from None
    if isinstance(node, ast.Call):
        return _call(node, parameter, text, variables, None, ())
    if isinstance(node, ast.Name):
        if node.id in variables:
            return variables[node.id]
        if node.id in _NUMBERS:
            return _NUMBERS[node.id]
        if node.id in catalogue():
            return _call(ast.Call(node, [], []), parameter, text, variables, None, ())
        near = difflib.get_close_matches(node.id, [*variables, *catalogue()], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"variables: {', '.join(sorted(variables))}"
        raise ConfigurationError(f"{parameter}={text!r}: unknown name {node.id!r}; {hint}")
    raise ConfigurationError(f"{parameter}={text!r}: {_said_of(node)!r} is not a number, a text, a list or a call")


def _bounded(value: Any, node: ast.expr, parameter: str, text: str) -> Any:
    """`value`, unless it is too large for any knob: later computations would take for ever, or fail elsewhere."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        raise ConfigurationError(f"{parameter}={text!r}: {_said_of(node)}: no whole number here has over 18 digits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{parameter}={text!r}: {_said_of(node)}: is no finite number")
    if isinstance(value, str) and ("\0" in value or not _encodes(value)):
        raise ConfigurationError(f"{parameter}={text!r}: holds a character that no file can hold")
    return value


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _said_of(node: ast.expr) -> str:
    return _short(" ".join(ast.unparse(node).split()), 60)


def _fits(kind: Any, value: Any) -> bool:
    """Whether `value` fits the annotation `kind`. An annotation that is not understood fits."""
    origin, args = get_origin(kind), get_args(kind)
    if kind in (Any, inspect.Parameter.empty):
        return True
    if kind is None or kind is NoneType:
        return value is None
    if kind is float or kind is int:
        return isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)
    if origin in (Union, UnionType):
        return any(_fits(arg, value) for arg in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        items = args[:1] * len(value) if isinstance(value, tuple) and args[1:] == (...,) else args
        return isinstance(value, tuple) and len(value) == len(items) and all(map(_fits, items, value))
    if origin is Callable:
        return callable(value)
    return not inspect.isclass(kind) or isinstance(value, kind)


def _called(kind: Any) -> str:
    """An annotation in words."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_called(arg) for arg in args))
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is tuple:
        each = _called(args[0])
        return f"a list of {each.removeprefix('a ')}s" if args[1:] == (...,) else f"a list of {len(args)}"
    words = {int: "a whole number", float: "a number", str: "a text", bool: "True or False", NoneType: "None"}
    if kind in words:
        return words[kind]
    if not inspect.isclass(kind):
        return "a function"
    if not kind.__module__.startswith("ghostjax"):
        return "a number"  # arrays and the like, which cannot be written here
    name = kind.__name__.removeprefix("Abstract").lower()
    return f"a{'n' if name[0] in 'aeiou' else ''} {name}"


def _said(value: Any) -> str:
    words = {str: "a text", bool: "a truth value", int: "a whole number", float: "a fraction", NoneType: "nothing"}
    return words.get(type(value), "a list" if isinstance(value, tuple) else type(value).__name__)


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
