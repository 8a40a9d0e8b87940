"""TLA+ text as trees: the subset that the translations are written in, conjuncts and disjuncts by indentation."""

import re
from typing import Any, NamedTuple


TOKEN = re.compile(
    r"\s*(<<|>>|\|->|==|=>|~>|<=|>=|\.\.|/\\|\\/|\\[A-Za-z]+|\\|[A-Za-z_]\w*'?|\d+|[()\[\]{},:!@=#<>+\-*%~'])",
    re.DOTALL,
)
INFIX = {
    "~>": (0, "leads"), "=>": (1, "({a} <= {b})"), "\\/": (3, "({a} or {b})"), "/\\": (3, "({a} and {b})"),
    "=": (5, "({a} == {b})"), "#": (5, "({a} != {b})"), "<": (5, "({a} < {b})"), ">": (5, "({a} > {b})"),
    "<=": (5, "({a} <= {b})"), ">=": (5, "({a} >= {b})"), "\\in": (5, "({a} in {b})"),
    "\\notin": (5, "({a} not in {b})"), "\\cup": (8, "({a} | {b})"), "\\cap": (8, "({a} & {b})"),
    "\\": (8, "({a} - {b})"), "..": (9, "span({a}, {b})"), "+": (10, "({a} + {b})"), "-": (10, "({a} - {b})"),
    "%": (11, "({a} % {b})"), "*": (12, "({a} * {b})"), "\\div": (12, "({a} // {b})"),
}  # fmt: skip


class Word(NamedTuple):
    """A token and its column: lists of conjuncts and disjuncts are told by indentation."""

    text: str
    column: int


class Parser:
    """One definition's body as a tree of tuples."""

    def __init__(self, text: str):
        self.words = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            assert found, text[at : at + 60]
            start = found.start(1)
            self.words.append(Word(found.group(1), start - text.rfind("\n", 0, start) - 1))
            at = found.end()
        self.at, self.limit = 0, -1

    def peek(self, raw: bool = False) -> str:
        if self.at >= len(self.words):
            return ""
        word = self.words[self.at]
        return word.text if raw or word.column > self.limit else ""

    def take(self, expected: str | None = None) -> str:
        found = self.peek()
        assert found and expected in (None, found), (expected, self.words[self.at : self.at + 8])
        self.at += 1
        return found

    def expression(self, above: int = 0) -> Any:
        if self.peek() in ("/\\", "\\/"):
            left = self.listed()
        else:
            left = self.prefix()
        while (found := INFIX.get(self.peek())) and found[0] >= above:
            operator = self.take()
            left = ("infix", operator, left, self.expression(found[0] + 1))
        return left

    def listed(self) -> Any:
        """Conjuncts or disjuncts that begin in one column."""
        bullet, column = self.peek(), self.words[self.at].column
        outer, items = self.limit, []
        while self.peek(raw=True) == bullet and self.words[self.at].column == column:
            self.at += 1
            self.limit = column
            items.append(self.expression())
            self.limit = outer
        return ("list", bullet, items)

    def prefix(self) -> Any:
        word = self.take()
        if word == "IF":
            condition = self.expression()
            self.take("THEN")
            yes = self.expression()
            self.take("ELSE")
            return ("if", condition, yes, self.expression())
        if word == "LET":
            definitions = []
            while self.peek() != "IN":
                name, parameters = self.take(), []
                if self.peek() == "(":
                    parameters = self.sequence("(", ")")
                self.take("==")
                definitions.append((name, [p[1] for p in parameters], self.expression()))
            self.take("IN")
            return ("let", definitions, self.expression())
        if word in ("\\A", "\\E", "CHOOSE"):
            bound = self.bindings()
            self.take(":")
            return ("quantified", word, bound, self.expression())
        if word == "~":
            return ("not", self.expression(4))
        if word == "-":
            return ("infix", "-", ("number", "0"), self.expression(11))
        if word == "UNCHANGED":
            return ("unchanged", self.expression(13))
        return self.applied(self.atom(word))

    def applied(self, tree: Any) -> Any:
        while self.peek() in ("[", "'"):
            if self.take() == "'":
                tree = ("prime", tree)
                continue
            tree = ("at", tree, self.expression())
            self.take("]")
        return tree

    def atom(self, word: str) -> Any:
        if word == "(":
            inner = self.expression()
            self.take(")")
            return inner
        if word == "<<":
            self.at -= 1
            return ("tuple", self.sequence("<<", ">>"))
        if word == "{":
            return self.set()
        if word == "[":
            return self.function()
        if word.isdigit():
            return ("number", word)
        if self.peek() == "(":
            return ("call", word, self.sequence("(", ")"))
        return ("name", word)

    def set(self) -> Any:
        if self.peek() == "}":
            self.take()
            return ("set", [])
        mark = self.at
        if self.peek(raw=True).isidentifier() and self.words[self.at + 1].text == "\\in":
            bound = self.bindings()
            self.take(":")
            tree = ("filter", bound, self.expression())
        else:
            self.at = mark
            first = self.expression()
            if self.peek() == ":":
                self.take()
                tree = ("map", self.bindings(), first)
            else:
                items = [first]
                while self.peek() == ",":
                    self.take()
                    items.append(self.expression())
                tree = ("set", items)
        self.take("}")
        return tree

    def function(self) -> Any:
        if self.words[self.at + 1].text == "\\in":
            bound = self.bindings()
            self.take("|->")
            tree = ("function", bound, self.expression())
        else:
            base, changes = self.expression(), []
            self.take("EXCEPT")
            while True:
                self.take("!")
                path = []
                while self.peek() == "[":
                    self.take("[")
                    path.append(self.expression())
                    self.take("]")
                self.take("=")
                changes.append((path, self.expression()))
                if self.peek() != ",":
                    break
                self.take()
            tree = ("except", base, changes)
        self.take("]")
        return tree

    def bindings(self) -> list[tuple[str, Any]]:
        bound: list[tuple[str, Any]] = []
        while True:
            names = [self.take()]
            while self.peek() == ",":
                self.take()
                names.append(self.take())
            self.take("\\in")
            domain = self.expression(6)
            bound += [(name, domain) for name in names]
            if self.peek() != ",":
                return bound
            self.take()

    def sequence(self, opens: str, closes: str) -> list[Any]:
        self.take(opens)
        items = []
        while self.peek() != closes:
            items.append(self.expression())
            if self.peek() == ",":
                self.take()
        self.take(closes)
        return items
