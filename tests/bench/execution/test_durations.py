import pytest

from bench.errors import UsageError
from bench.execution.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("9m", 540), ("1.5h", 5400), ("0.5", 0.5), ("8784h", 366 * 86400)]
)
def test_times_are_numbers_with_a_unit(text, seconds):
    assert parse_duration("--time", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "1d", "1:30", "010", "1_0m", "1e3", "9" * 400, "8785h", "٩m"])
def test_other_times_are_refused(text):
    with pytest.raises(UsageError, match=r"--time .*: expected a time above zero, up to a year, such as 90s"):
        parse_duration("--time", text)
