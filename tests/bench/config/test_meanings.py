"""Every setting says what it means, where it is declared."""

from dataclasses import dataclass
from typing import Literal

import pytest

from bench.config.meanings import meanings
from bench.config.schema import Amounts, LikelihoodConfig, TrainerConfig
from bench.config.values import field_types
from evaluators import EVALUATORS
from methods import METHODS, PRIORS
from methods.networks import NetworkChoice

ROLES = [cls for name in PRIORS for cls in (PRIORS.load(name).Config, PRIORS.load(name).FitConfig) if cls]
CLASSES = {
    *(TrainerConfig, Amounts, LikelihoodConfig, NetworkChoice),
    *(METHODS.load(name).Config for name in METHODS),
    *(EVALUATORS.load(name).Settings for name in EVALUATORS),
    *ROLES,
}


@pytest.mark.parametrize("cls", sorted(CLASSES, key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
def test_every_setting_says_what_it_means(cls):
    said = meanings(cls)
    for name in field_types(cls):
        if (cls in ROLES and name == "name") or name == "kind":
            continue
        text = said.get(name, "")
        assert len(text.partition("[")[0].strip()) >= 4, f"{cls.__name__}.{name} has no comment that says what it means"


@dataclass
class Parent:
    """A class.

    Args:
        first, second: two of them,
            over two lines.
        third: never said, as its line has a comment.

    Raises nothing.
    """

    first: int
    second: int = 2
    third: str = "#"  # of its line
    word: Literal["a", "b"] = "a"  # one of two
    silent: int = 0


@dataclass
class Child(Parent):
    second: int = 3
    third: str = "other"  # another
    silent: int = 1


def test_meanings_are_comments_and_entries_of_the_docstring():
    assert meanings(Parent) == {
        "first": "two of them, over two lines",
        "second": "two of them, over two lines",
        "third": "of its line",
        "word": "one of two [a, b]",
    }


def test_a_field_that_is_declared_again_keeps_its_meaning_unless_it_has_another():
    assert meanings(Child) == {**meanings(Parent), "third": "another"}


def test_without_source_there_is_no_meaning():
    namespace = {"dataclass": dataclass, "__name__": "nowhere"}
    exec("@dataclass\nclass Made:\n    field: int = 1  # lost", namespace)
    assert meanings(namespace["Made"]) == {}
