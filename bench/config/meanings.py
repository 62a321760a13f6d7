"""What settings mean, in the words of the code that declares them: there is no second text that could drift from it.

A field's meaning is the comment at the end of its line or, where there is none, its entry below `Args:` in the
docstring of its class. A field that a subclass declares again without a word keeps the meaning that it had.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tokenize
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from io import StringIO
from typing import Any, Literal

from bench.config.values import field_types

ENTRY = re.compile(r"([a-z_][a-z0-9_]*(?:, [a-z_][a-z0-9_]*)*): (.*)")


@cache
def meanings(cls: Any) -> dict[str, str]:
    """Of a dataclass's fields that say what they mean; those to choose from follow in brackets."""
    said: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if is_dataclass(base):
            said |= _own(base)
    texts = {name: f"{said.get(name, '')} {_choices(hint)}".strip() for name, hint in field_types(cls).items()}
    return {name: text for name, text in texts.items() if text}


def _choices(hint: Any) -> str:
    """Such as: [iwae, dreg]; empty where a value is no word to choose, or there is no choice."""
    words = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    return f"[{', '.join(map(str, words))}]" if len(words) > 1 else ""


def _own(cls: Any) -> dict[str, str]:
    """Of the fields that the class itself declares; empty where its source is not at hand."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    fields = {
        node.target.id: comments.get(node.end_lineno or 0)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    listed = dict(_arguments(ast.get_docstring(tree) or ""))
    return {name: text for name, comment in fields.items() if (text := comment or listed.get(name))}


def _arguments(docstring: str) -> Iterator[tuple[str, str]]:
    """(name, text) of the entries below `Args:`, which may be of several names and take several lines."""
    lines = docstring.partition("Args:\n")[2].split("\n\n")[0].splitlines()
    entries: list[str] = []
    for line in lines:
        if line.startswith("        ") and entries:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line.strip())
    for entry in entries:
        if found := ENTRY.fullmatch(entry):
            for name in found[1].split(", "):
                yield name, found[2].rstrip(".")
