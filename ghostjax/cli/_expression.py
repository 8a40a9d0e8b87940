"""Objects from text: `nnm(trimmed_mean(f=byzantine), f=byzantine)`.

A tiny language of calls, numbers, strings, lists and names of variables, parsed with `ast` and never
evaluated as Python: nothing outside the catalogue can be reached.
"""

import ast
import difflib
import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
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


def build(parameter: str, text: str, family: str, variables: Mapping[str, Any], *leading: Any) -> Any:
    """The object of `family` that `text` describes; `leading` arguments come before those in the text.

    Errors name the parameter, what was read and the nearest names.
    """
    text = str(text)
    try:
        node = ast.parse(text.strip(), mode="eval").body
        return _outermost(node, parameter, _short(text), variables, family, leading)
    except SyntaxError as error:
        raise ConfigurationError(
            f"{parameter}={_short(text)!r}: not an expression ({error.msg}); write a call such as trimmed_mean(f=10)"
        ) from None
    except (RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        why = "nested too deeply" if not isinstance(error, ValueError) else str(error)
        raise ConfigurationError(f"{parameter}={_short(text)!r}: not an expression ({why})") from None


def names_in(text: str) -> set[str]:
    """Every name that an expression uses; none if it is no expression."""
    try:
        return {node.id for node in ast.walk(ast.parse(text.strip(), mode="eval")) if isinstance(node, ast.Name)}
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return set()


def _outermost(
    node: ast.expr, parameter: str, text: str, variables: Mapping[str, Any], family: str, leading: tuple
) -> Any:
    if isinstance(node, ast.Name):
        node = ast.Call(node, [], [])
    if not isinstance(node, ast.Call):
        raise ConfigurationError(f"{parameter}={text!r}: write a call such as trimmed_mean(f=10)")
    return _call(node, parameter, text, variables, family, leading)


def _call(
    node: ast.Call, parameter: str, text: str, variables: Mapping[str, Any], family: str | None, leading: tuple
) -> Any:
    entry = _entry(node.func, parameter, text, family)
    args = [*leading, *(_value(a, parameter, text, variables) for a in node.args)]
    if any(k.arg is None for k in node.keywords):
        raise ConfigurationError(f"{parameter}={text!r}: {entry.name}: ** is not understood; name each parameter")
    kwargs = {str(k.arg): _value(k.value, parameter, text, variables) for k in node.keywords}
    signature = inspect.signature(entry.make)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigurationError(
            f"{parameter}={text!r}: {entry.name}: {error}; it takes ({entry.parameters})"
        ) from None
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].annotation
        if not _fits(kind, value):
            raise ConfigurationError(
                f"{parameter}={text!r}: {entry.name}: {name}={value!s} must be {_called(kind)}, not {_said(value)}"
            )
    try:
        return entry.make(*args, **kwargs)
    except ConfigurationError:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigurationError(f"{parameter}={text!r}: {entry.name}: {why[0]}") from error


def _entry(func: ast.expr, parameter: str, text: str, family: str | None) -> Entry:
    entries = {n: e for n, e in catalogue().items() if family is None or e.family == family}
    if isinstance(func, ast.Name) and func.id in entries:
        return entries[func.id]
    name = ast.unparse(func)
    near = difflib.get_close_matches(name.lower(), entries, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(entries))}"
    raise ConfigurationError(f"{parameter}={text!r}: no {family or 'object'} named {name!r}; {hint}")


def _value(node: ast.expr, parameter: str, text: str, variables: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(item, parameter, text, variables) for item in node.elts]
        return tuple(items)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand, parameter, text, variables)
        if isinstance(value, int | float):
            return -value
        raise ConfigurationError(f"{parameter}={text!r}: {ast.unparse(node)}: only numbers have a sign")
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_value(side, parameter, text, variables) for side in (node.left, node.right))
        try:
            return _OPERATORS[type(node.op)](left, right)
        except (TypeError, ArithmeticError) as error:
            raise ConfigurationError(f"{parameter}={text!r}: {ast.unparse(node)}: {error}") from None
    if isinstance(node, ast.Call):
        return _call(node, parameter, text, variables, None, ())
    if isinstance(node, ast.Name):
        if node.id in variables:
            return variables[node.id]
        if node.id in catalogue():
            return _call(ast.Call(node, [], []), parameter, text, variables, None, ())
        near = difflib.get_close_matches(node.id, [*variables, *catalogue()], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"variables: {', '.join(sorted(variables))}"
        raise ConfigurationError(f"{parameter}={text!r}: unknown name {node.id!r}; {hint}")
    raise ConfigurationError(f"{parameter}={text!r}: {ast.unparse(node)!r} is not a number, a text, a list or a call")


def _fits(kind: Any, value: Any) -> bool:
    """Whether `value` is what the annotation `kind` says; what it cannot tell, fits."""
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
