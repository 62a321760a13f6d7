"""Links of the documentation lead to files and headings that are there, and none is a secret of one machine."""

import re
import string
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT, blocks

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"#{1,6} (.+)")
ALL = [*PAGES, ROOT / "README.md", *sorted((ROOT / "results/reference").glob("**/README.md"))]


def prose(page):
    """The page without its blocks of code."""
    text = page.read_text()
    for block in blocks(page):
        text = text.replace(block.text, "")
    return text


def anchors(page):
    """What its headings are called in links, as GitHub and the site's generator have them."""
    found = []
    for line in prose(page).splitlines():
        if heading := HEADING.fullmatch(line):
            words = heading[1].replace("`", "").lower()
            kept = "".join(c for c in words if c.isalnum() or c in " -_")
            found.append(re.sub(r"[\s]+", "-", kept.strip()))
    return found


def broken(page):
    for target in LINK.findall(prose(page)):
        if re.match("[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            yield f"{target}: no such file"
        elif anchor and (file.suffix != ".md" or anchor not in anchors(file)):
            yield f"{target}: no such heading"


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    assert list(broken(page)) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[a](page.md#a-heading) [b](#b-heading) [c](c.md) [d](https://example.org)\n")
    assert list(broken(page)) == ["#b-heading: no such heading", "c.md: no such file"]


def test_pages_of_the_site_link_to_pages_of_the_site():
    """What lies outside docs/ is not part of it: it is named, and not linked."""
    for page in PAGES:
        outside = [t for t in LINK.findall(prose(page)) if t.startswith("..")]
        assert outside == [], page.name


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "properdocs.yml").read_text()
    for page in PAGES:
        assert f": {page.name}\n" in nav


def test_headings_have_letters_that_links_can_have():
    allowed = set(string.ascii_letters + string.digits + " -_`,.:?()'/=")
    for page in map(Path, PAGES):
        for line in prose(page).splitlines():
            if heading := HEADING.fullmatch(line):
                assert set(heading[1]) <= allowed, f"{page.name}: {heading[1]}"
