"""What a registered name stands for, read from its source and not imported.

torch would take seconds, and a broken package would break the list.
"""

from __future__ import annotations

import ast
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from methods.registry import Registry

NAMES = r"[A-Z][\w-]+(?:, [A-Z][\w-]+)*"
CITATION = re.compile(rf"{NAMES} and [A-Z][\w-]+ \d{{4}}|{NAMES} et al\.(?: \d{{4}})?")


class Description(NamedTuple):
    """What it is in a sentence, the papers that its docstrings name, and its file."""

    summary: str
    papers: str
    file: str


def described(registry: Registry[Any], name: str) -> Description:
    """An entry of a registry; a dataset is what its module says, anything else what its class says."""
    module, _, attribute = registry[name].partition(":")
    found = describe(module, attribute, whole=registry.what == "dataset")
    plug_in = "" if name in registry.own else " (installed package)"
    return found._replace(file=f"{found.file}{plug_in}")


def describe(module: str, attribute: str, whole: bool) -> Description:
    """What is registered, by the docstring of its class, or of its module where that has none or `whole` is meant."""
    file = source_file(module)
    if file is None:
        return Description(f"cannot be found: there is no module {module}", "", module)
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        return Description(f"cannot be read: {error}", "", os.path.relpath(file))
    for node in tree.body:
        # Something that is passed on is described where it is made.
        if isinstance(node, ast.ImportFrom) and node.module and node.module != module:
            for alias in node.names:
                if (alias.asname or alias.name) == attribute and not node.level:
                    return describe(node.module, alias.name, whole)
    own, all_of_it = _docstring(tree, attribute) or "", ast.get_docstring(tree) or ""
    text = (all_of_it or own if whole else own or all_of_it) or "(no description)"
    cited = dict.fromkeys(CITATION.findall(f"{_first(own)}\n{_first(all_of_it)}"))
    return Description(_first(text), "; ".join(cited), os.path.relpath(file))


def _first(docstring: str) -> str:
    """Its first paragraph, on one line."""
    return " ".join(docstring.partition("\n\n")[0].split())


def _docstring(tree: ast.Module, attribute: str) -> str | None:
    """Of the class of that name, or of the class of the object of that name."""
    classes = {node.name: ast.get_docstring(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == attribute for target in targets):
            made_by = node.value.func if isinstance(node.value, ast.Call) else node.value
            return classes.get(made_by.id) if isinstance(made_by, ast.Name) else None
    return classes.get(attribute)


def source_file(module: str) -> Path | None:
    """The module's file. Only its outermost package is looked up, which imports nothing."""
    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    if not parts:
        return Path(spec.origin)
    path = Path(spec.origin).parent.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
