"""What a person sees while a command works, on stderr: messages, and on a terminal something that stays below them."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from bench.errors import printable

Volume = Literal["quiet", "normal", "verbose"]


class Screen:
    """Messages, above what `keep` shows where stderr is a terminal. `quiet` has the important ones alone.

    A terminal or a reader that has gone ends nothing: the runs matter, and nobody is left to tell. Colours are rich's
    business, which NO_COLOR turns off; what is shown of runs is text, and never markup.

    Args:
        moving: what is kept changes by itself, as a clock does, and is drawn again and again.
    """

    def __init__(self, volume: Volume = "normal", moving: bool = False) -> None:
        self.volume = volume
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        # rich takes a pipe for a terminal where FORCE_COLOR is set, and its colours for a live view.
        terminal = sys.stderr is not None and sys.stderr.isatty() and console.is_terminal
        lively = terminal and not console.is_dumb_terminal and volume != "quiet"
        self.live = Live(console=console, auto_refresh=moving, transient=True) if lively else None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            with suppress(OSError):
                self.live.stop()

    def message(self, text: str, important: bool = False) -> None:
        if self.volume == "quiet" and not important:
            return
        with suppress(OSError):
            if self.live:
                self.live.console.print(Text(printable(text)))
            else:
                print(printable(text), file=sys.stderr, flush=True)

    def keep(self, shown: RenderableType) -> None:
        """Replaces what stays below the messages; nothing where there is no terminal."""
        if self.live:
            with suppress(OSError):
                self.live.update(shown, refresh=True)
