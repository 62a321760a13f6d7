import random
import time

import pytest

from bench.config.values import read_yaml
from bench.config.yaml12 import CHARACTERS
from bench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("10", 10), ("-3", -3), ("+3", 3), ("0", 0), ("-0", 0)],
        *[("0.5", 0.5), (".5", 0.5), ("1.", 1.0), ("1e-3", 0.001), ("1E5", 1e5), ("-1.5e+3", -1500.0)],
        *[("true", True), ("False", False), ("null", None), ("~", None), ("", None)],
        # What YAML 1.1 reads as numbers, booleans or dates are words.
        *[
            (word, word)
            for word in ("010", "0x10", "0b1", "0o7", "1_000", "1:30", "190:20:30.15", "00.5", "1e", "-")[:-1]
        ],
        *[(word, word) for word in ("yes", "No", "on", "off", "y", "2001-01-01", "2001-99-99", ".inf", ".nan", "١٢")],
        ("'10'", "10"),
        ("[1, 0.5, a, [b]]", [1, 0.5, "a", ["b"]]),
        ("{a: 1, 1: b, true: c}", {"a": 1, "1": "b", "true": "c"}),
        (
            "a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\ne: *x",
            {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}, "e": {"b": 1, "c": 2}},
        ),
        ("%YAML 1.1\n---\n010", "010"),
    ],
)
def test_scalars_are_read_as_people_mean_them(text, value):
    read = read_yaml(text, "here")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!int abc", "line 1: tags such as !!int are not allowed"),
        ("a: !!python/object/apply:os.system ['true']", "line 1: tags"),
        ("!mine x", "tags"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "the key 'b' is given twice"),
        ("? [a]\n: b", "a key has to be one word"),
        ("a: [", "line 1: "),
        ("a: b: c", "line 1: mapping values are not allowed here"),
        ("\x1b[31m", r"has the character U\+001B"),
        ("a: \udc80", r"has the character U\+DC80"),
        ('"\\UFFFFFFFF"', "an escape that is no character"),
        ("*gone", "undefined alias 'gone'"),
        ("&a [*a]", "an alias stands within its own value"),
        ("<<: 3", "expected a mapping"),
        ("a\n---\nb", "but found another document"),
        ("[" * 2000, "too deeply nested"),
        ("9" * 5000, "too many digits"),
        ("a" * (CHARACTERS + 1), "longer than 256,000 characters"),
    ],
)
def test_what_is_no_setting_is_one_sentence(text, message):
    with pytest.raises(UsageError, match=rf"^here: .*{message}") as error:
        read_yaml(text, "here")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("repeat", ["[{}]", "{{<<: [{}]}}"], ids=["lists", "merges"])
def test_aliases_that_stand_for_too_much_are_refused_at_once(repeat):
    lines = ["a: &a {x: 1}"]
    for before, key in zip("abcdefghi", "bcdefghij"):
        lines.append(f"{key}: &{key} {repeat.format(', '.join([f'*{before}'] * 10))}")
    started = time.perf_counter()
    with pytest.raises(UsageError, match="aliases make it longer than 100,000 values"):
        read_yaml("\n".join(lines), "here")
    assert time.perf_counter() - started < 2


def refusal(text):
    try:
        read_yaml(text, "here")
    except UsageError as error:
        return str(error)
    return "here: "


def test_no_text_ends_in_a_traceback():
    generator = random.Random(0)
    for _ in range(5000):
        text = "".join(generator.choices("[]{}:,-&*!?|>'\"%@`#~<=\n \tab01.e\\_x", k=generator.randint(1, 24)))
        assert refusal(text).startswith("here: ")
