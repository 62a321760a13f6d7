"""Registries: names on the command line -> classes, as import strings, so that listing names imports nothing.

Installed packages add to a registry by an entry point in its group (`bench.methods`, `bench.priors`,
`bench.evaluators`, `bench.datasets`), whose name is the name on the command line:

    [options.entry_points]
    bench.methods =
        my-vae = my_package.my_vae:MyVAE
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Collision(Exception):
    """Two packages registered different things under one name."""


class Registry(Mapping[str, str], Generic[T]):
    """{name: "module:attribute"}, the project's own first, then those of installed packages.

    Args:
        what: what an entry is, for messages ("method").
        group: the entry points' group.
        own: the project's own entries.
    """

    def __init__(self, what: str, group: str, own: Mapping[str, str]) -> None:
        self.what, self.group, self.own = what, group, dict(own)

    @cached_property
    def targets(self) -> dict[str, str]:
        """Raises Collision for a name that stands for two things."""
        found = dict(self.own)
        for point in sorted(entry_points(group=self.group), key=lambda point: (point.name, point.value)):
            if found.setdefault(point.name, point.value) != point.value:
                raise Collision(
                    f"two {self.what}s are called {point.name!r}: {found[point.name]} and {point.value}. Rename one of "
                    f"them in its package's entry points ({self.group}), or uninstall that package"
                )
        return found

    def __getitem__(self, name: str) -> str:
        return self.targets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def load(self, name: str) -> T:
        """What is registered under the name. Raises KeyError for an unknown one, ImportError where it is broken."""
        module, _, attribute = self.targets[name].partition(":")
        return cast(T, getattr(import_module(module), attribute))
