import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from methods import METHODS, PRIORS, method_class, prior_config_class, prior_fit_class, registry
from methods.registry import Collision, Registry

OWN = {"counter": "collections:Counter", "queue": "collections:deque"}


@pytest.fixture
def installed(monkeypatch):
    """Registers entry points, as installed packages do."""
    points = []
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])
    return lambda name, value, group="bench.things": points.append(EntryPoint(name, value, group))


def make():
    return Registry("thing", "bench.things", OWN)


def test_own_entries_in_their_order():
    things = make()
    assert list(things) == ["counter", "queue"]
    assert len(things) == 2
    assert things["queue"] == "collections:deque"
    assert "nonsense" not in things
    assert things.load("counter").__name__ == "Counter"


def test_entry_points_follow_by_name(installed):
    installed("zip", "zipfile:ZipFile")
    installed("decimal", "decimal:Decimal")
    installed("other", "os:sep", group="bench.others")
    things = make()
    assert list(things) == ["counter", "queue", "decimal", "zip"]
    assert things.load("decimal").__name__ == "Decimal"


def test_the_same_entry_twice_is_no_collision(installed):
    installed("queue", "collections:deque")
    installed("zip", "zipfile:ZipFile")
    installed("zip", "zipfile:ZipFile")
    assert list(make()) == ["counter", "queue", "zip"]


@pytest.mark.parametrize("values", [["my_package:Queue"], ["a:A", "b:B"]])
def test_a_collision_names_both_targets(installed, values):
    for value in values:
        installed("queue" if len(values) == 1 else "new", value)
    with pytest.raises(Collision) as collision:
        list(make())
    text = str(collision.value)
    targets = ["collections:deque", *values] if len(values) == 1 else values
    assert all(target in text for target in targets)
    assert "two things are called" in text
    assert "bench.things" in text


def test_unknown_names_and_broken_entries(installed):
    installed("broken", "no_such_package:Thing")
    installed("missing", "collections:NoSuchClass")
    things = make()
    with pytest.raises(KeyError):
        things.load("nonsense")
    with pytest.raises(ImportError):
        things.load("broken")
    with pytest.raises(AttributeError):
        things.load("missing")


def test_entry_points_are_read_when_names_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or [])
    things = make()
    assert asked == []
    assert list(things) == list(things) == list(OWN)
    assert asked == ["bench.things"]


def test_names_are_listed_without_importing_what_they_stand_for():
    script = (
        "import sys; from methods import METHODS, PRIORS; from evaluators import EVALUATORS; "
        "print(len(METHODS), len(PRIORS), len(EVALUATORS), 'torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *counts, torch, sklearn = done.stdout.split()
    assert all(int(count) > 0 for count in counts)
    assert (torch, sklearn) == ("False", "False")


def test_every_own_entry_is_a_class_with_its_settings():
    for name in METHODS:
        assert method_class(name) is METHODS.load(name)
        assert method_class(name).Config is not None
    for name in PRIORS:
        configs = prior_config_class(name), prior_fit_class(name)
        assert any(configs)
        if configs[0]:
            assert configs[0]().name == name
    with pytest.raises(KeyError):
        method_class("nonsense")
