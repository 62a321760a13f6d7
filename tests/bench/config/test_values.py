from dataclasses import dataclass, field
from typing import Literal

import pytest

from bench.config.values import build, from_word, takes_word
from bench.errors import UsageError
from methods.networks import NetworkChoice
from methods.priors.base import PriorConfig
from methods.priors.energy import EnergyPriorConfig
from methods.priors.factorised import LaplacePriorConfig


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    pair: tuple[float, int] = (0.5, 1)


@dataclass(frozen=True)
class Outer:
    count: int = 1
    word: str = "a"
    flag: bool = False
    mode: Literal["fast", "slow"] = "fast"
    limit: float | None = None
    sizes: tuple[int, ...] = ()
    inner: Inner = field(default_factory=Inner)
    network: NetworkChoice = field(default_factory=NetworkChoice)
    prior: PriorConfig = field(default_factory=LaplacePriorConfig)


@dataclass(frozen=True)
class Strict:
    needed: int
    most: int = 3

    def __post_init__(self):
        if self.needed > self.most:
            raise ValueError(f"needed={self.needed}: must be ≤ {self.most}")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"inner": {"rate": 0.001}}, Outer(inner=Inner(rate=0.001))),
        ({"inner": {"rate": 2}}, Outer(inner=Inner(rate=2.0))),
        ({"inner": {"pair": [0, 3]}}, Outer(inner=Inner(pair=(0.0, 3)))),
        ({"limit": None}, Outer()),
        ({"limit": 2}, Outer(limit=2.0)),
        ({"sizes": [1, 2, 3]}, Outer(sizes=(1, 2, 3))),
        ({"flag": True, "mode": "slow", "word": "b", "count": 5}, Outer(5, "b", True, "slow")),
        ({"network": "conv"}, Outer(network=NetworkChoice("conv", "conv", "conv"))),
        ({"network": {"text": "conv"}}, Outer(network=NetworkChoice("patch", "conv"))),
        ({"prior": "energy"}, Outer(prior=EnergyPriorConfig())),
        ({"prior": {"name": "energy", "steps": 3}}, Outer(prior=EnergyPriorConfig(steps=3))),
    ],
)
def test_values_are_read_by_their_declared_type(values, expected):
    built = build(Outer, values, "here")
    assert built == expected
    assert type(built.inner.rate) is type(built.inner.pair[0]) is float
    assert type(built.prior) is type(expected.prior)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": True}, "here: count: expected int, got True"),
        ({"count": 1.0}, "expected int, got 1.0"),
        ({"count": "010"}, r"expected int, got '010' \(a whole number in decimal digits, such as 8\)"),
        ({"count": "1_000"}, "expected int, got '1_000'"),
        ({"count": 2**63}, "9223372036854775808 is too large"),
        ({"flag": 1}, r"expected bool, got 1 \(true or false\)"),
        ({"flag": "yes"}, "expected bool, got 'yes'"),
        ({"word": 1}, "expected str, got 1"),
        ({"inner": {"rate": True}}, "here: inner: rate: expected float, got True"),
        ({"inner": {"rate": "fast"}}, "expected float, got 'fast'"),
        ({"inner": {"rate": "1:30"}}, "expected float, got '1:30'"),
        ({"inner": {"rate": "0x10"}}, "expected float, got '0x10'"),
        ({"inner": {"rate": float("nan")}}, "expected float, got nan"),
        ({"inner": {"rate": float("inf")}}, "expected float, got inf"),
        ({"inner": {"rate": 10**400}}, "expected float, got 10000"),
        ({"inner": {"rate": None}}, "expected float, got None"),
        ({"limit": "x"}, "expected float, got 'x'"),
        ({"inner": {"pair": [0.5]}}, r"expected 2 values, got \[0.5\]"),
        ({"inner": {"pair": 0.5}}, "expected a list of values, got 0.5"),
        ({"inner": {"pair": [0.5, 1.5]}}, "expected int, got 1.5"),
        ({"inner": 3}, "expected keys and values, got 3"),
        ({"inner": "fast"}, "expected keys and values, got 'fast'"),
        ({"inner": {"rat": 3}}, "here: inner: unknown key 'rat': did you mean 'rate'"),
        ({"mode": "slwo"}, r"unknown value 'slwo': did you mean 'slow'\? \(allowed: fast, slow\)"),
        ({"mode": 1}, "unknown value '1'"),
        ({"mode": ["slow"]}, r"unknown value \"\['slow'\]\""),
        ({"coutn": 1}, "here: unknown key 'coutn': did you mean 'count'"),
        ({7: 1}, "here: unknown key '7'"),
        ({"network": "conf"}, "network: image: unknown value 'conf': did you mean 'conv'"),
        ({"network": 3}, "network: expected keys and values, got 3"),
        ({"prior": "enrgy"}, "prior: unknown prior 'enrgy': did you mean 'energy'"),
        (
            {"prior": "bootstrap"},
            r"unknown prior 'bootstrap' \(allowed: laplace, .*\): bootstrap is fitted to trained models",
        ),
        ({"prior": {"steps": 3}}, r"prior: expected the name of a prior \(allowed: laplace"),
        ({"prior": {"name": ["energy"]}}, "unknown prior"),
        ({"prior": {"name": "laplace", "steps": 3}}, "prior: unknown key 'steps'"),
        ({"prior": {"name": "energy", "steps": -1}}, "prior: steps=-1: must be ≥ 0"),
        ({"word": {"a": "x" * 500}}, "got {'a': 'x+…"),
        ([], r"here: expected keys and values, got \[\]"),
        ({"mode": "\x1b[31m"}, r"unknown value '\\x1b\[31m'"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, message):
    with pytest.raises(UsageError, match=message) as error:
        build(Outer, values, "here")
    assert str(error.value).isprintable()


def test_keys_without_a_default_have_to_be_there():
    assert build(Strict, {"needed": 2}, "here") == Strict(2)
    with pytest.raises(UsageError, match="here: the key 'needed' is missing"):
        build(Strict, {"most": 2}, "here")
    with pytest.raises(UsageError, match="here: needed=4: must be ≤ 3"):
        build(Strict, {"needed": 4}, "here")


def test_a_complete_tree_has_every_key():
    with pytest.raises(UsageError, match="here: the key 'most' is missing"):
        build(Strict, {"needed": 2}, "here", complete=True)
    with pytest.raises(UsageError, match="here: inner: the key 'pair' is missing"):
        build(Outer, {**vars(Outer()), "inner": {"rate": 1}}, "here", complete=True)


def test_zero_has_one_sign():
    assert str(build(Inner, {"rate": -0.0}, "here").rate) == "0.0"


def test_one_word_stands_for_what_has_choices_only():
    assert [takes_word(hint) for hint in (NetworkChoice, PriorConfig, LaplacePriorConfig, Inner, str, None)] == [
        *[True] * 3,
        *[False] * 3,
    ]
    assert from_word(NetworkChoice, "conv", "here") == dict.fromkeys(("image", "text", "vector"), "conv")
    assert from_word(PriorConfig, "energy", "here") == {"name": "energy"}


def test_a_type_that_settings_cannot_have_is_an_error_of_the_class():
    @dataclass(frozen=True)
    class Odd:
        value: bytes = b""

    with pytest.raises(TypeError, match="a setting cannot be declared as <class 'bytes'>"):
        build(Odd, {"value": "x"}, "here")
