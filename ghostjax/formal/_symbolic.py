"""Integer expressions over the elements of a state: shared, folded, and with known ranges.

A transition of one label reads and changes few elements of a state. In expressions over elements (instead of arrays)
constants fold away, common parts become one expression, and the known range of every value gives the narrowest type
for it.
"""

from collections.abc import Iterable
from typing import Any


class Unknown(Exception):
    """An operation that has no form as expressions."""


LIMIT = 400_000
INT32 = 2**31 - 1


class Expressions:
    """A growing set of expressions, each an index; equal expressions have one index.

    `low[i]..high[i]` holds for all inputs. `boolean[i]` distinguishes truth values from the integers 0 and 1. `checks`
    counts expressions that are valid only under a condition (`checked`).
    """

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[tuple[int, ...]] = []
        self.low: list[int] = []
        self.high: list[int] = []
        self.boolean: list[bool] = []
        self._memo: dict[Any, int] = {}
        self._doubts: dict[int, int] = {}
        self.checks = 0
        self.false, self.true = self.constant(0, True), self.constant(1, True)

    def _new(self, op: str, args: tuple[int, ...], low: int, high: int, boolean: bool = False) -> int:
        key = (op, args, boolean)
        at = self._memo.get(key)
        if at is None:
            if low < -INT32 or high > INT32:
                raise Unknown("a value that may leave 32 bits")
            at = len(self.op)
            if at >= LIMIT:
                raise Unknown(f"more than {LIMIT} expressions")
            self._memo[key] = at
            self.op.append(op)
            self.args.append(args)
            self.low.append(low)
            self.high.append(high)
            self.boolean.append(boolean)
            if low == high and op != "constant":
                self._memo[key] = at = self.constant(low, boolean)
        return at

    def constant(self, value: int, boolean: bool = False) -> int:
        """A known value."""
        return self._new("constant", (int(value),), int(value), int(value), boolean)

    def input(self, number: int, low: int, high: int) -> int:
        """The number-th input, known to lie in `low..high`."""
        return self._new("input", (number,), low, high)

    def value(self, a: int) -> int | None:
        """The value of a constant, else none."""
        return self.low[a] if self.low[a] == self.high[a] else None

    # -- values that are valid under a condition only

    def checked(self, a: int, inside: int) -> int:
        """`a`, valid only where `inside` holds. An element that is read at an index outside is invalid."""
        if inside == self.true:
            return a
        self.checks += 1
        low, high = self.low[a], self.high[a]
        # Never a constant: folding would lose the condition.
        wide = (0, 1) if self.boolean[a] else (low, high + (low == high))
        return self._new("checked", (a, inside), *wide, self.boolean[a])

    def doubt(self, ids: Iterable[int]) -> int:
        """The condition under which some of `ids` depends on an invalid value.

        This is three-valued logic: a selection is in doubt if the selected operand is. A conjunction with one side
        false, or a product with a factor 0, is not in doubt.
        """
        if not self.checks:
            return self.false
        found = self.false
        for at in ids:
            found = self.or_(found, self._doubt(at))
        return found

    def _doubt(self, at: int) -> int:
        stack = [at]
        while stack:
            top = stack[-1]
            args = () if self.op[top] in ("constant", "input") else self.args[top]
            missing = [arg for arg in args if arg not in self._doubts]
            if missing:
                stack += missing
            else:
                stack.pop()
                if top not in self._doubts:
                    self._doubts[top] = self._doubt_of(self.op[top], args)
        return self._doubts[at]

    def _doubt_of(self, op: str, args: tuple[int, ...]) -> int:
        doubts = [self._doubts[arg] for arg in args]
        if all(doubt == self.false for doubt in doubts) and op != "checked":
            return self.false
        either = lambda *terms: self.not_(self.all_(map(self.not_, terms)))
        if op == "checked":
            return either(*doubts, self.not_(args[1]))
        if op == "select":
            return self.or_(doubts[0], self.select(args[0], doubts[1], doubts[2]))
        if op in ("and", "or", "mul"):
            open_ = {"and": lambda a: a, "or": self.not_, "mul": self.truth}[op]
            one, other = self.and_(doubts[0], open_(args[1])), self.and_(doubts[1], open_(args[0]))
            return either(self.and_(*doubts), one, other)
        return either(*doubts)

    # -- truth values

    def not_(self, a: int) -> int:
        if self.value(a) is not None:
            return self.false if self.low[a] else self.true
        if self.op[a] == "not":
            return self.args[a][0]
        return self._new("not", (a,), 0, 1, True)

    def and_(self, a: int, b: int) -> int:
        if a == b or b == self.true:
            return a
        if a == self.true:
            return b
        if a == self.false or b == self.false or a == self.not_(b):
            return self.false
        return self._new("and", (min(a, b), max(a, b)), 0, 1, True)

    def or_(self, a: int, b: int) -> int:
        if a == b or b == self.false:
            return a
        if a == self.false:
            return b
        if a == self.true or b == self.true or a == self.not_(b):
            return self.true
        return self._new("or", (min(a, b), max(a, b)), 0, 1, True)

    def xor(self, a: int, b: int) -> int:
        return self.not_(self.eq(a, b))

    def all_(self, terms: Iterable[int]) -> int:
        found = self.true
        for term in terms:
            found = self.and_(found, term)
        return found

    def number(self, a: int) -> int:
        """A truth value as 0 or 1."""
        if not self.boolean[a]:
            return a
        known = self.value(a)
        return self._new("number", (a,), 0, 1) if known is None else self.constant(known)

    def truth(self, a: int) -> int:
        """Whether a number is not 0."""
        if self.boolean[a]:
            return a
        if self.op[a] == "number":
            return self.args[a][0]
        return self.not_(self.eq(a, self.constant(0)))

    # -- comparisons

    def eq(self, a: int, b: int) -> int:
        if a == b:
            return self.true
        if self.high[a] < self.low[b] or self.high[b] < self.low[a]:
            return self.false
        if self.boolean[a]:
            for one, other in ((a, b), (b, a)):
                if self.value(one) is not None:
                    return other if self.low[one] else self.not_(other)
        for one, other in ((a, b), (b, a)):
            known = self.value(one)
            if known is not None and self.op[other] == "select":
                which, yes, no = self.args[other]
                if self.value(yes) is not None or self.value(no) is not None:
                    return self.select(which, self.eq(yes, one), self.eq(no, one))
            if known is not None and self.op[other] == "number":
                inner = self.args[other][0]
                return inner if known == 1 else self.not_(inner)
        return self._new("eq", (min(a, b), max(a, b)), 0, 1, True)

    def lt(self, a: int, b: int) -> int:
        if a == b or self.low[a] >= self.high[b]:
            return self.false
        if self.high[a] < self.low[b]:
            return self.true
        if self.value(b) is not None and self.low[b] == self.low[a] + 1:
            return self.eq(a, self.constant(self.low[a], self.boolean[a]))
        if self.value(a) is not None and self.high[b] == self.low[a] + 1:
            return self.eq(b, self.constant(self.high[b], self.boolean[b]))
        return self._new("lt", (a, b), 0, 1, True)

    def le(self, a: int, b: int) -> int:
        return self.not_(self.lt(b, a))

    # -- choices

    def select(self, which: int, yes: int, no: int) -> int:
        """`yes` where `which` holds, else `no`."""
        if which == self.true or yes == no:
            return yes
        if which == self.false:
            return no
        if self.op[which] == "not":
            return self.select(self.args[which][0], no, yes)
        if self.boolean[yes]:
            if yes == self.true or no == self.false:
                return self.or_(which, no) if yes == self.true else self.and_(which, yes)
            if yes == self.false or no == self.true:
                inverse = self.not_(which)
                return self.and_(inverse, no) if yes == self.false else self.or_(inverse, yes)
        if self.value(yes) == 1 and self.value(no) == 0:
            return self.number(which)
        if self.value(yes) == 0 and self.value(no) == 1:
            return self.number(self.not_(which))
        low, high = min(self.low[yes], self.low[no]), max(self.high[yes], self.high[no])
        return self._new("select", (which, yes, no), low, high, self.boolean[yes])

    # -- arithmetic

    def add(self, a: int, b: int) -> int:
        if self.value(a) == 0:
            return b
        if self.value(b) == 0:
            return a
        return self._new("add", (min(a, b), max(a, b)), self.low[a] + self.low[b], self.high[a] + self.high[b])

    def sub(self, a: int, b: int) -> int:
        if a == b:
            return self.constant(0)
        if self.value(b) == 0:
            return a
        return self._new("sub", (a, b), self.low[a] - self.high[b], self.high[a] - self.low[b])

    def mul(self, a: int, b: int) -> int:
        for one, other in ((a, b), (b, a)):
            if self.value(one) == 0:
                return one
            if self.value(one) == 1:
                return other
        ends = [x * y for x in (self.low[a], self.high[a]) for y in (self.low[b], self.high[b])]
        return self._new("mul", (min(a, b), max(a, b)), min(ends), max(ends))

    def maximum(self, a: int, b: int) -> int:
        if self.boolean[a]:
            return self.or_(a, b)
        if self.low[a] >= self.high[b]:
            return a
        if self.low[b] >= self.high[a]:
            return b
        return self._new(
            "max", (min(a, b), max(a, b)), max(self.low[a], self.low[b]), max(self.high[a], self.high[b])
        )  # fmt: skip

    def minimum(self, a: int, b: int) -> int:
        if self.boolean[a]:
            return self.and_(a, b)
        if self.high[a] <= self.low[b]:
            return a
        if self.high[b] <= self.low[a]:
            return b
        return self._new(
            "min", (min(a, b), max(a, b)), min(self.low[a], self.low[b]), min(self.high[a], self.high[b])
        )  # fmt: skip

    def divide(self, a: int, b: int) -> int:
        """Division towards zero; the divisor is known not to be 0."""
        if self.low[b] <= 0 <= self.high[b]:
            raise Unknown("a divisor that may be 0")
        ends = [_towards_zero(x, y) for x in (self.low[a], self.high[a]) for y in (self.low[b], self.high[b])]
        ends += [0] if self.low[a] <= 0 <= self.high[a] else []
        return self._new("div", (a, b), min(ends), max(ends))

    def remainder(self, a: int, b: int) -> int:
        """The remainder of division towards zero, with the dividend's sign. The divisor is known not to be 0."""
        if self.low[b] <= 0 <= self.high[b]:
            raise Unknown("a divisor that may be 0")
        most = max(abs(self.low[b]), abs(self.high[b])) - 1
        low, high = max(min(self.low[a], 0), -most), min(max(self.high[a], 0), most)
        if self.value(a) is not None and self.value(b) is not None:
            return self.constant(self.low[a] - _towards_zero(self.low[a], self.low[b]) * self.low[b])
        return self._new("rem", (a, b), low, high)

    def rebuild(self, kept: Iterable[int], inputs: dict[int, int]) -> tuple["Expressions", dict[int, int]]:
        """The expressions `kept` and their operands, with some inputs replaced by constants, folded again.

        The conditions of `checked` expressions are left out: ask for `doubt` before.
        """
        need: set[int] = set()
        stack = list(kept)
        while stack:
            at = stack.pop()
            if at not in need:
                need.add(at)
                if self.op[at] not in ("constant", "input"):
                    stack.extend(self.args[at])
        new = Expressions()
        at_new: dict[int, int] = {}
        build = {
            "not": new.not_, "and": new.and_, "or": new.or_, "number": new.number, "eq": new.eq, "lt": new.lt,
            "select": new.select, "add": new.add, "sub": new.sub, "mul": new.mul, "max": new.maximum,
            "min": new.minimum, "div": new.divide, "rem": new.remainder, "checked": lambda a, inside: a,
        }  # fmt: skip
        for at in sorted(need):
            op, args = self.op[at], self.args[at]
            if op == "constant":
                at_new[at] = new.constant(args[0], self.boolean[at])
            elif op == "input":
                known = inputs.get(args[0])
                at_new[at] = new.input(args[0], self.low[at], self.high[at]) if known is None else new.constant(known)
            else:
                at_new[at] = build[op](*(at_new[arg] for arg in args))
        return new, at_new


def _towards_zero(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a >= 0) == (b >= 0) else -quotient
