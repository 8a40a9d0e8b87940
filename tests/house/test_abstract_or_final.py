"""A module of the library is abstract or final: nothing concrete has subclasses, nothing concrete is overridden."""

import importlib
import inspect
import pkgutil

import equinox as eqx
import pytest

import ghostjax
from ghostjax._border import Checked


def modules():
    for info in pkgutil.walk_packages(ghostjax.__path__, "ghostjax."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def own_modules():
    found = {}
    for module in modules():
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, eqx.Module) and value.__module__.startswith("ghostjax"):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


CLASSES = own_modules()


def is_abstract(cls):
    return cls.__name__.removeprefix("_").startswith("Abstract") or cls is Checked


FREE = {"__init__", "__check_init__", "__post_init__", "__replace__", "__repr__"}
"""Methods that a concrete class may have of its own."""


def violations(cls):
    """What is wrong with one class, in words."""
    parents = [
        base for base in cls.__mro__[1:] if base.__module__.startswith("ghostjax") and issubclass(base, eqx.Module)
    ]
    wrong = [f"its base {base.__name__} is concrete" for base in parents if not is_abstract(base)]
    if inspect.isabstract(cls) and not is_abstract(cls):
        wrong.append(f"has abstract members {sorted(cls.__abstractmethods__)} and is not named Abstract..")
    if is_abstract(cls) and cls is not Checked and not inspect.isabstract(cls):
        wrong.append("is named Abstract.. and has no abstract member")
    for name, member in vars(cls).items():
        if not inspect.isfunction(member) or name in FREE:
            continue
        for base in parents:
            inherited = vars(base).get(name)
            if inspect.isfunction(inherited) and not getattr(inherited, "__isabstractmethod__", False):
                wrong.append(f"overrides {base.__name__}.{name}, which is concrete")
    return wrong


@pytest.mark.parametrize("name", CLASSES)
def test_abstract_or_final(name):
    assert not violations(CLASSES[name])


def test_broken_twins_are_found():
    from ghostjax.aggregators import AbstractCoordinateRule, Mean

    class Nicer(Mean):
        pass

    class Louder(AbstractCoordinateRule):
        def trim(self, total):
            return total

        def step(self, state, x, w, ctx):
            return state, x[0]

    class Silent(AbstractCoordinateRule):
        pass

    class AbstractNothing(eqx.Module):
        pass

    for twin, words in ((Nicer, "base Mean is concrete"), (Louder, "overrides AbstractCoordinateRule.step")):
        assert any(words in wrong for wrong in violations(twin))
    assert any("has abstract members" in wrong for wrong in violations(Silent))
    assert violations(AbstractNothing) == ["is named Abstract.. and has no abstract member"]
