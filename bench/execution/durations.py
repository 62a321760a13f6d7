"""Times as people write them."""

from __future__ import annotations

import re

from bench.errors import UsageError

NUMBER = "(?:0|[1-9][0-9]{0,17})"  # decimal digits of ASCII; a leading zero is octal to some, and so refused
LONGEST = 366 * 24 * 3600  # seconds


def parse_duration(option: str, text: str) -> float:
    """Seconds: 90s, 9m and 1.5h are 90, 540 and 5400, and a plain number is seconds. Raises UsageError."""
    found = re.fullmatch(rf"({NUMBER}(?:\.[0-9]+)?)([smh]?)", text)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST:
        raise UsageError(f"{option} {text!r}: expected a time above zero, up to a year, such as 90s, 9m or 1.5h")
    return seconds
