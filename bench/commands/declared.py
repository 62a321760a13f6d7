"""What dataclasses of settings declare, read from their source and not imported: torch would take seconds, and a shell
that completes a setting does not wait for it.

It reads what a setting's declaration may be (`bench.config.values`), in the plain form that classes have it: annotated
fields, bases and aliases by their names, and a prior's default by `field(default_factory=…)`.
"""

from __future__ import annotations

import ast
from functools import cache
from typing import Any, NamedTuple

from bench.commands.describing import source_file
from methods.registry import Registry

PRIOR = ("methods.priors.base", "PriorConfig")  # the settings of any prior: which, its name tells


class Declared(NamedTuple):
    """A class or an alias, and the module that it stands in."""

    module: str
    node: ast.AST

    @property
    def is_prior(self) -> bool:
        return isinstance(self.node, ast.ClassDef) and (self.module, self.node.name) == PRIOR


class Field(NamedTuple):
    """One setting: the words to choose from, the class below it, the class or value that it has by default."""

    meaning: str
    words: tuple[str, ...] = ()
    below: Declared | None = None
    default: Any = None


def registered(registry: Registry[Any], name: str) -> Declared | None:
    """The class behind a registered name; None where its source is not at hand."""
    module, _, attribute = registry[name].partition(":")
    return find(module, attribute)


@cache
def find(module: str, name: str) -> Declared | None:
    """What a name of a module stands for, wherever it is imported from; None where no source tells."""
    for node in _read(module)[0].body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return Declared(module, node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in _targets(node) and node.value:
            return Declared(module, node.value)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name and node.module != module:
                    return find(node.module, alias.name)
    return None


def attribute(cls: Declared | None, name: str) -> Declared | None:
    """What a class, or the nearest of its bases, assigns to an attribute; a name is followed."""
    if cls is None or not isinstance(cls.node, ast.ClassDef):
        return None
    for node in cls.node.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in _targets(node) and node.value:
            return _followed(cls.module, node.value)
    inherited = (attribute(base, name) for base in _bases(cls))
    return next((found for found in inherited if found), None)


def constant(found: Declared | None) -> Any:
    """The value of what is a constant; None for anything else."""
    return found.node.value if found and isinstance(found.node, ast.Constant) else None


def fields(cls: Declared | None) -> dict[str, Field]:
    """The settings of a dataclass, those of its bases first; of no class none."""
    if cls is None or not isinstance(cls.node, ast.ClassDef):
        return {}
    found: dict[str, Field] = {}
    for base in reversed(_bases(cls)):
        found |= fields(base)
    lines = _read(cls.module)[1]
    for node in cls.node.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        if "ClassVar" in ast.unparse(node.annotation):
            found.pop(name, None)  # fixed in this class, where its base has a setting
            continue
        meaning = lines[(node.end_lineno or 1) - 1].partition("  # ")[2]
        inherited = found[name].meaning if name in found else ""
        hint = _followed(cls.module, node.annotation)
        found[name] = Field(meaning or inherited, _words(hint), _class(hint), _default(cls.module, node.value))
    return found


def _words(hint: Declared | None) -> tuple[str, ...]:
    """Of a bool or a Literal."""
    if hint is None:
        return ()
    if isinstance(hint.node, ast.Name):
        return ("true", "false") if hint.node.id == "bool" else ()
    if isinstance(hint.node, ast.Subscript) and ast.unparse(hint.node.value) == "Literal":
        choices = hint.node.slice.elts if isinstance(hint.node.slice, ast.Tuple) else [hint.node.slice]
        return tuple(str(choice.value) for choice in choices if isinstance(choice, ast.Constant))
    return ()


def _class(hint: Declared | None) -> Declared | None:
    return hint if hint and isinstance(hint.node, ast.ClassDef) else None


def _default(module: str, value: ast.expr | None) -> Any:
    """A constant, or the class that `field(default_factory=…)` names; None for anything else."""
    if isinstance(value, ast.Call):
        factory = next((word.value for word in value.keywords if word.arg == "default_factory"), None)
        return _class(_followed(module, factory)) if isinstance(factory, ast.Name) else None
    return value.value if isinstance(value, ast.Constant) else None


def _followed(module: str, node: ast.expr) -> Declared | None:
    """What a name stands for where the module knows it; anything else as it is."""
    return (isinstance(node, ast.Name) and find(module, node.id)) or Declared(module, node)


def _bases(cls: Declared) -> list[Declared]:
    assert isinstance(cls.node, ast.ClassDef)
    found = [find(cls.module, base.id) for base in cls.node.bases if isinstance(base, ast.Name)]
    return [base for base in found if base]


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


@cache
def _read(module: str) -> tuple[ast.Module, list[str]]:
    """A module and its lines; an empty one where its source is not at hand or cannot be read."""
    try:
        file = source_file(module)
        text = file.read_text(encoding="utf-8") if file else ""
        return ast.parse(text), text.splitlines()
    except (OSError, ValueError, SyntaxError):
        return ast.Module([], []), []
