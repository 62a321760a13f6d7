"""The pages of the documentation as blocks of code, each with what its mark says is done with it.

A mark is an HTML comment on the line above a block:

    <!-- dry run -->        commands that take long: `bench run` is executed with --dry-run, others are only parsed
    <!-- parsed: WHY -->    commands that cannot be executed here: their arguments are parsed
    <!-- file: NAME -->     the content of a file, which is written before the next block
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
EXECUTED = ("sh", "python")
MARK = re.compile(r"<!-- (dry run|parsed|file)(?:: (.+))? -->")
FENCE = re.compile(r"```(\w*)")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    mark: str = ""
    more: str = ""

    def __str__(self) -> str:
        return f"{self.page.name}, line {self.line}"

    @property
    def commands(self) -> list[str]:
        """Of a block of shell: a command each, without comments."""
        joined = self.text.replace("\\\n", " ")
        return [text for line in joined.splitlines() if (text := shlex.join(shlex.split(line, comments=True)))]


def blocks(page: Path) -> Iterator[Block]:
    """Raises ValueError for a mark that is above no block, and for a block that is not closed."""
    lines = page.read_text().splitlines()
    number, mark = 0, None
    while number < len(lines):
        line = lines[number]
        number += 1
        if found := MARK.fullmatch(line):
            mark = found
            continue
        if fence := FENCE.fullmatch(line):
            end = lines.index("```", number)
            said = (mark[1], mark[2] or "") if mark else ("", "")
            yield Block(page, number, fence[1], "\n".join(lines[number:end]) + "\n", *said)
            number = end + 1
        elif mark:
            raise ValueError(f"{page.name}, line {number}: the mark above it is of no block")
        mark = None
