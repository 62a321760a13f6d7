"""Executes the blocks of a page in their order, in a folder of the page's own."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.cli import main, parser
from tests.docs.blocks import ROOT, Block

BENCH = (["bench"], ["python", "-m", "bench"])
INSTALL = ["pip", "install", "-e"]


class PageError(AssertionError):
    """A block that does not do what the page says."""


class Page:
    """Commands and Python of one page, one after another: in this process, until the page installs a package."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.site: Path | None = None

    def execute(self, block: Block) -> None:
        if block.mark == "file":
            file = self.folder / block.more
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.language == "sh":
            for command in block.commands:
                self.command(block, shlex.split(command))
        elif block.language == "python":
            self.python(block)

    def command(self, block: Block, words: list[str]) -> None:
        arguments = next((words[len(head) :] for head in BENCH if words[: len(head)] == head), None)
        if arguments is not None and block.mark in ("parsed", "dry run"):
            options = parse(block, arguments)
            if block.mark == "parsed" or arguments[0] != "run":
                return
            arguments = [*arguments, *([] if options.dry_run else ["--dry-run"])]
        if arguments is not None:
            self.bench(block, arguments)
        elif words[:3] == INSTALL and block.mark != "parsed":
            self.install(block, Path(words[3]))
        elif words[0] == "python" and words[1] != "-m" and block.mark != "parsed":
            self.process(block, [sys.executable, *words[1:]])
        elif block.mark != "parsed":
            raise PageError(f"{block}: no command that this test knows: {shlex.join(words)}")

    def bench(self, block: Block, arguments: list[str]) -> None:
        if self.site:
            self.process(block, [sys.executable, "-W", "error", "-m", "bench", *arguments])
            return
        parse(block, arguments)
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            code = main(arguments)
        if code:
            raise PageError(f"{block}: bench {shlex.join(arguments)} ended with {code}:\n{out.getvalue()[-3000:]}")

    def python(self, block: Block) -> None:
        if self.site:
            raise PageError(f"{block}: Python of a page that installs a package has to be a file of it")
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, self.names)

    def install(self, block: Block, package: Path) -> None:
        """The package into a folder of the page's, without what it depends on, which is there."""
        self.site = self.folder / "site-of-the-page"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        self.process(block, [*pip, "--no-build-isolation", "--target", str(self.site), str(package.absolute())])

    def process(self, block: Block, words: list[str]) -> None:
        path = os.pathsep.join(map(str, filter(None, [self.site, ROOT])))
        env = {**os.environ, **self.environment, "PYTHONPATH": path}
        done = subprocess.run(words, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PageError(f"{block}: {shlex.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def parse(block: Block, arguments: list[str]) -> Any:
    """The arguments as the command line takes them."""
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            return parser().parse_args(arguments)
        except SystemExit as error:
            raise PageError(f"{block}: bench {shlex.join(arguments)}: {errors.getvalue()}") from error
