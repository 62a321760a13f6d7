"""README is short, and it and the pages say in one way how the project is installed."""

import re

from tests.docs.blocks import PAGES, ROOT

README = ROOT / "README.md"


def test_the_project_is_installed_with_its_constraints_wherever_a_page_says_how():
    lines = [line for page in [*PAGES, README] for line in page.read_text().splitlines()]
    said = [line for line in lines if re.search(r'pip install .*-e "?\.', line)]
    assert len(said) >= 4
    assert not [line for line in said if "-c constraints.txt" not in line]


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= 120
