"""Objects from text: `nnm(trimmed_mean(f=byzantine), f=byzantine)`.

A tiny language of calls, numbers, strings, lists and names of variables, parsed with `ast` and never
evaluated as Python: nothing outside the catalogue can be reached.
"""

import ast
import difflib
import inspect
from collections.abc import Mapping
from typing import Any

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
    try:
        node = ast.parse(str(text).strip(), mode="eval").body
    except SyntaxError as error:
        raise ConfigurationError(
            f"{parameter}={text!r}: not an expression ({error.msg}); write a call such as trimmed_mean(f=10)"
        ) from None
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
    kwargs = {k.arg: _value(k.value, parameter, text, variables) for k in node.keywords if k.arg}
    try:
        inspect.signature(entry.make).bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigurationError(
            f"{parameter}={text!r}: {entry.name}: {error}; it takes ({entry.parameters})"
        ) from None
    return entry.make(*args, **kwargs)


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
        return -_value(node.operand, parameter, text, variables)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_value(side, parameter, text, variables) for side in (node.left, node.right))
        return _OPERATORS[type(node.op)](left, right)
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
