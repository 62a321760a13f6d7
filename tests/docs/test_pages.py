"""Every block of Python in the documentation is executed, and every command; of those that take long the arguments are
parsed."""

from pathlib import Path

import pytest

from tests.docs.blocks import EXECUTED, MARK, PAGES, ROOT, Block, blocks
from tests.docs.executing import Page, PageError

ALL = [*PAGES, ROOT / "README.md"]


@pytest.fixture
def page(environment, tmp_path, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Page(folder, environment)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_a_page_does_what_it_says(path, page):
    for block in blocks(path):
        page.execute(block)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_code_has_a_language_and_marks_have_a_block(path):
    for block in blocks(path):
        assert block.language in (*EXECUTED, "yaml", "toml", "text"), f"{block}: of no known language"
        assert block.language in EXECUTED or block.mark in ("", "file"), f"{block}: nothing to execute"
        assert (block.mark in ("parsed", "file")) == bool(block.more), f"{block}: say why, or which file"
    lines = path.read_text().splitlines()
    assert sum(line.startswith("<!--") for line in lines) == sum(bool(MARK.fullmatch(line)) for line in lines)
    assert not [line for line in lines if line.startswith("    bench ")], "a command outside a block of shell"


def block(text, language="sh", mark="", more=""):
    return Block(Path("page.md"), 1, language, text, mark, more)


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (block("bench lst"), "unknown command 'lst': did you mean 'list'"),
        (block("bench report --out nowhere"), "page.md, line 1: bench report --out nowhere ended with 3"),
        (block("bench run --methods mmvea --dataset polymnist", mark="dry run"), "ended with 2"),
        (block("bench status --watsch", mark="parsed", more="no reason"), "unrecognized arguments: --watsch"),
        (block("rm -rf /"), "no command that this test knows: rm -rf /"),
        (block("python nothing.py"), "ended with 2"),
        (block("1 / 0", "python"), "division by zero"),
    ],
)
def test_a_faulty_block_is_found(page, capsys, faulty, message):
    with pytest.raises((PageError, ZeroDivisionError, SystemExit)) as caught:
        page.execute(faulty)
    assert message in f"{caught.value}{capsys.readouterr().err}"


def test_a_mark_of_no_block_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- dry run -->\n\n```sh\nbench list\n```\n")
    with pytest.raises(ValueError, match=r"page\.md, line 2: the mark above it is of no block"):
        list(blocks(page))
