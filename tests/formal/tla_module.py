"""A TLA+ module translated, definition by definition, into plain Python on tuples and frozensets."""

import functools
import itertools
import re
from typing import Any, NamedTuple

from .tla_syntax import INFIX, Parser


class Label(NamedTuple):
    """An action with the values of its parameters."""

    action: str
    values: tuple[int, ...]


def span(low: int, high: int) -> frozenset:
    return frozenset(range(low, high + 1))


def function(domain: frozenset, of: Any) -> tuple:
    assert domain == span(0, len(domain) - 1), domain
    return tuple(of(x) for x in range(len(domain)))


def changed(base: tuple, path: tuple, of: Any) -> tuple:
    here = at(base, path[0])
    value = of(here) if len(path) == 1 else changed(here, path[1:], of)
    return (*base[: path[0]], value, *base[path[0] + 1 :])


def at(of: tuple, x: int) -> Any:
    assert 0 <= x < len(of), (of, x)
    return of[x]


class Module:
    """A translation with the constants of its configuration, or with others."""

    def __init__(self, text: str, config: str, **constants: int):
        text = re.sub(r"\(\*.*?\*\)|\\\*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.DOTALL)
        text = re.sub(r"^(-{4}.*|={4}.*|EXTENDS.*|RECURSIVE.*)$", "", text, flags=re.MULTILINE)
        self.constants = {k: int(v) for k, v in re.findall(r"(\w+) = (\d+)", config)} | constants
        listed = lambda word: re.findall(rf"^{word}\s+(.*)$", config, re.MULTILINE)
        self.invariants = [n for line in listed("INVARIANTS?") for n in line.split()]
        self.properties = [n for line in listed("PROPERT(?:Y|IES)") for n in line.split()]
        declared = re.search(r"^VARIABLES?\s+((?:\w+\s*,\s*)*\w+)", text, re.MULTILINE)
        assert declared
        self.variables = re.split(r"\s*,\s*", declared.group(1))
        head = re.compile(r"^(\w+)(?:\(([\w, ]*)\))?[ ]*==", re.MULTILINE)
        heads = list(head.finditer(text))
        self.definitions: dict[str, tuple[list[str], Any]] = {}
        self.steps: set[str] = set()
        for found, following in itertools.zip_longest(heads, heads[1:]):
            body = text[found.end() : following.start() if following else len(text)]
            body = " " * (found.end() - found.start()) + body
            if "[][Next]_vars" in body:
                body = body.replace("[][Next]_vars", "TRUE" + " " * 9)
            elif body.strip().startswith("[]["):
                self.steps.add(found.group(1))
                body = body.replace("[][", "   ", 1).replace("]_vars", "")
            parameters = [p.strip() for p in (found.group(2) or "").split(",") if p.strip()]
            self.definitions[found.group(1)] = (parameters, Parser(body).expression())
        self.scope = {
            "span": span, "function": function, "changed": changed, "at": at, "Cardinality": len, "first": min,
        } | {f"c_{k}": v for k, v in self.constants.items()}  # fmt: skip
        self._compiled: set[str] = set()

    @functools.cached_property
    def initial(self) -> list[tuple]:
        """The states of `Init`: each variable equals something, or is in a set."""
        found: dict[str, str] = {}
        loops = []
        for part in _parts(self.definitions["Init"][1]):
            _, relation, (_, name), value = part
            assert relation in ("=", "\\in") and name in self.variables and name not in found, part
            found[name] = f"i_{name}"
            made = self.python(value, {}, 0)
            loops.append(f"for i_{name} in {f'[{made}]' if relation == '=' else made}")
        assert set(found) == set(self.variables)
        return eval(f"[({''.join(f'i_{v}, ' for v in self.variables)}) {' '.join(loops)}]", self.scope)

    @functools.cached_property
    def labels(self) -> dict[Label, Any]:
        """Every action with every choice of its parameters, as a function from a state to the next one or None."""
        return {label: functools.partial(self._action(label.action), *label.values) for label in self.expand("Next")}

    def expand(self, tree: Any, bound: dict[str, int] | None = None) -> list[Label]:
        """The labels that a disjunction of quantified actions stands for."""
        bound = bound or {}
        if isinstance(tree, str):
            tree = ("name", tree)
        kind = tree[0]
        if kind == "list" and tree[1] == "\\/":
            return [label for item in tree[2] for label in self.expand(item, bound)]
        if kind == "infix" and tree[1] == "\\/":
            return self.expand(tree[2], bound) + self.expand(tree[3], bound)
        if kind == "quantified" and tree[1] == "\\E":
            return [label for choice in self.choices(tree[2], bound) for label in self.expand(tree[3], choice)]
        assert kind in ("name", "call"), tree
        name = tree[1]
        parameters, body = self.definitions[name]
        if not parameters and body[0] in ("quantified", "list", "name", "infix") and not _assigns(body):
            return self.expand(body)
        values = [
            eval(self.python(a, {n: str(v) for n, v in bound.items()}, 0), self.scope) for a in (*tree[2:], [])[0]
        ]
        return [Label(name, tuple(values))]

    def choices(self, bindings: Any, bound: dict[str, int]) -> list[dict[str, int]]:
        domains = [sorted(eval(self.python(d, {}, 0), self.scope)) for _, d in bindings]
        names = [name for name, _ in bindings]
        return [bound | dict(zip(names, values, strict=True)) for values in itertools.product(*domains)]

    @functools.cached_property
    def fairness(self) -> list[list[Label]]:
        """The sets of labels that `Spec` treats fairly."""
        found: list[list[Label]] = []

        def walk(tree: Any, bound: dict[str, int]) -> None:
            if tree[0] == "list" or (tree[0] == "infix" and tree[1] == "/\\"):
                for part in _parts(tree):
                    walk(part, bound)
            elif tree[0] == "quantified":
                for choice in self.choices(tree[2], bound):
                    walk(tree[3], choice)
            elif tree[0] == "call" and tree[1] == "WF_vars":
                found.append(self.expand(tree[2][0], bound))

        walk(self.definitions["Spec"][1], {})
        return found

    def predicate(self, name: str) -> Any:
        """A definition without parameters, of a state (and the next one)."""
        self._define(name)
        return self.scope[f"d_{name}"]

    def claim(self, name: str) -> tuple[Any, Any]:
        """Both sides of a leads-to."""
        kind, operator, *sides = self.definitions[name][1]
        assert kind == "infix" and operator == "~>", name
        p, q = (self._function([], self.python(side, {}, 1)) for side in sides)
        return p, q

    def _function(self, parameters: list[str], body: str) -> Any:
        return eval(f"lambda {', '.join([*parameters, 's', 't=None'])}: {body}", self.scope)

    def _define(self, name: str) -> None:
        if name in self._compiled:
            return
        self._compiled.add(name)
        parameters, tree = self.definitions[name]
        body = self.python(tree, {p: f"v_{p}" for p in parameters}, 1)
        self.scope[f"d_{name}"] = self._function([f"v_{p}" for p in parameters], body)

    def _action(self, name: str) -> Any:
        if f"a_{name}" in self.scope:
            return self.scope[f"a_{name}"]
        parameters, tree = self.definitions[name]
        scope = {p: f"v_{p}" for p in parameters}
        lines, assigned = [], set()

        def walk(tree: Any) -> None:
            if (tree[0] == "list" and tree[1] == "/\\") or tree[:2] == ("infix", "/\\"):
                for part in _parts(tree):
                    walk(part)
            elif tree[0] == "let":
                for definition in tree[1]:
                    lines.append(f"v_{definition[0]} = {self._local(definition, scope)}")
                    scope[definition[0]] = f"v_{definition[0]}"
                walk(tree[2])
            elif tree[0] == "unchanged":
                for variable in self._named(tree[1]):
                    assigned.add(variable)
                    lines.append(f"p_{variable} = s[{self.variables.index(variable)}]")
            elif tree[:2] == ("infix", "=") and tree[2][0] == "name" and tree[2][1].endswith("'"):
                variable = tree[2][1][:-1]
                assert variable not in assigned, (name, variable)
                assigned.add(variable)
                lines.append(f"p_{variable} = {self.python(tree[3], scope, 2)}")
            else:
                lines.append(f"if not {self.python(tree, scope, 2)}: return None")

        walk(tree)
        assert assigned == set(self.variables), (name, set(self.variables) ^ assigned)
        code = [f"def action({', '.join([*(f'v_{p}' for p in parameters), 's'])}):"]
        code += [f"    {line}" for line in lines] + [f"    return ({', '.join(f'p_{v}' for v in self.variables)},)"]
        local: dict[str, Any] = {}
        exec("\n".join(code), self.scope, local)
        self.scope[f"a_{name}"] = local["action"]
        return local["action"]

    def _named(self, tree: Any) -> list[str]:
        if tree[0] == "tuple":
            return [name for item in tree[1] for name in self._named(item)]
        if tree[1] in self.variables:
            return [tree[1]]
        return self._named(self.definitions[tree[1]][1])

    def _local(self, definition: Any, scope: dict[str, str]) -> str:
        _, parameters, body = definition
        inner = self.python(body, scope | {p: f"v_{p}" for p in parameters}, 2)
        return f"(lambda {', '.join(f'v_{p}' for p in parameters)}: {inner})" if parameters else inner

    def python(self, tree: Any, scope: dict[str, str], primes: int) -> str:
        """An expression as Python; primed variables are elements of `t` (1) or what was assigned already (2); within a
        primed expression all are (3)."""
        go = lambda x: self.python(x, scope, primes)
        match tree:
            case ("number", value):
                return value
            case ("name", name):
                return self._name(name, scope, primes)
            case ("infix", operator, a, b):
                if operator == "=>":
                    return f"(not {go(a)} or {go(b)})"
                return INFIX[operator][1].format(a=go(a), b=go(b))
            case ("list", bullet, items):
                return "(" + (" and " if bullet == "/\\" else " or ").join(map(go, items)) + ")"
            case ("prime", inner):
                assert primes == 1
                return self.python(inner, scope, 3)
            case ("not", inner):
                return f"(not {go(inner)})"
            case ("if", condition, yes, no):
                return f"({go(yes)} if {go(condition)} else {go(no)})"
            case ("at", of, index):
                return f"at({go(of)}, {go(index)})"
            case ("set", items):
                return f"frozenset([{', '.join(map(go, items))}])"
            case ("tuple", items):
                return f"({''.join(go(i) + ', ' for i in items)})"
            case ("quantified", word, bindings, body):
                loops, inner = self._loops(bindings, scope, primes)
                if word == "CHOOSE":
                    ((name, _),) = bindings
                    return f"first(v_{name} {loops} if {self.python(body, inner, primes)})"
                every = {"\\A": "all", "\\E": "any"}[word]
                return f"{every}({self.python(body, inner, primes)} {loops})"
            case ("filter", bindings, body):
                loops, inner = self._loops(bindings, scope, primes)
                ((name, _),) = bindings
                return f"frozenset(v_{name} {loops} if {self.python(body, inner, primes)})"
            case ("map", bindings, body):
                loops, inner = self._loops(bindings, scope, primes)
                return f"frozenset({self.python(body, inner, primes)} {loops})"
            case ("function", ((name, domain),), body):
                inner = self.python(body, scope | {name: f"v_{name}"}, primes)
                return f"function({go(domain)}, lambda v_{name}: {inner})"
            case ("except", base, changes):
                made = go(base)
                for path, value in changes:
                    inner = self.python(value, scope | {"@": "old"}, primes)
                    made = f"changed({made}, ({''.join(go(p) + ', ' for p in path)}), lambda old: {inner})"
                return made
            case ("let", definitions, body):
                inner, opened = dict(scope), []
                for definition in definitions:
                    opened.append((definition[0], self._local(definition, inner)))
                    inner[definition[0]] = f"v_{definition[0]}"
                made = self.python(body, inner, primes)
                for name, value in reversed(opened):
                    made = f"(lambda v_{name}: {made})({value})"
                return made
            case ("call", name, arguments):
                if name in scope or name == "Cardinality":
                    return f"{scope.get(name, name)}({', '.join(map(go, arguments))})"
                self._define(name)
                return f"d_{name}({', '.join([*map(go, arguments), *self._states(primes)])})"
        raise AssertionError(tree)

    def _loops(self, bindings: Any, scope: dict[str, str], primes: int) -> tuple[str, dict[str, str]]:
        inner, loops = dict(scope), []
        for name, domain in bindings:
            loops.append(f"for v_{name} in {self.python(domain, inner, primes)}")
            inner[name] = f"v_{name}"
        return " ".join(loops), inner

    def _states(self, primes: int) -> list[str]:
        return [["None"], ["s", "t"], ["s"], ["t"]][primes]

    def _name(self, name: str, scope: dict[str, str], primes: int) -> str:
        plain = name.rstrip("'")
        if name != plain:
            return f"p_{plain}" if primes == 2 else f"t[{self.variables.index(plain)}]"
        if name in scope:
            return scope[name]
        if name in ("TRUE", "FALSE"):
            return name.capitalize()
        if name in self.constants:
            return str(self.constants[name])
        if name in self.variables:
            return f"{'t' if primes == 3 else 's'}[{self.variables.index(name)}]"
        self._define(name)
        return f"d_{name}({', '.join(self._states(primes))})"


def _parts(tree: Any) -> list[Any]:
    if tree[0] == "list" and tree[1] == "/\\":
        return [part for item in tree[2] for part in _parts(item)]
    if tree[:2] == ("infix", "/\\"):
        return _parts(tree[2]) + _parts(tree[3])
    return [tree]


def _assigns(tree: Any) -> bool:
    if isinstance(tree, tuple | list):
        return tree[:1] == ("unchanged",) or any(map(_assigns, tree))
    return isinstance(tree, str) and tree.endswith("'")
