"""The site is built without a warning, and asks the network for nothing."""

import re
import subprocess
import sys

import pytest

from tests.docs.blocks import PAGES, ROOT


def test_the_site_is_built_and_needs_no_network(tmp_path):
    pytest.importorskip("properdocs", reason="pip install -e '.[docs]' builds the site")
    command = [sys.executable, "-m", "properdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in PAGES:
        text = (tmp_path / "site" / page.with_suffix(".html").name).read_text()
        loaded = re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="([^"]+)"', text)
        assert loaded
        assert not [address for address in loaded if re.match("(https?:)?//", address)]
