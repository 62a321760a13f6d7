"""The JavaScript that the page carries, out of installed packages: nothing is fetched, and no copy is kept here.

DataTables (tables that are sorted and searched) comes with itables, 0.6 MB; plotly.js (charts) with plotly, 4.8 MB.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources

from bench.errors import BenchError

EXPORT = re.compile(r"\bexport\s*\{(?P<names>[^{}]*)\}\s*;?")
DEFAULT = re.compile(r"([\w$]+)\s+as\s+default\b")


@cache
def tables_script() -> str:
    """DataTables as the text of an inline module, which sets `globalThis.DataTable`. Raises BenchError."""
    text = _read("itables", "html/dt_bundle.js")
    exports = list(EXPORT.finditer(text))
    name = DEFAULT.search(exports[-1]["names"]) if exports else None
    if name is None:
        raise BenchError("itables has no DataTables in the form that the report can embed: install itables 2.5 to 2.9")
    # An inline module can be imported by nobody, so it says its name aloud.
    start, end = exports[-1].span()
    return embeddable(f"{text[:start]};globalThis.DataTable={name[1]};{text[end:]}")


@cache
def charts_script() -> str:
    """plotly.js as the text of an inline script, which sets `Plotly`. Raises BenchError."""
    return embeddable(_read("plotly", "package_data/plotly.min.js"))


def _read(package: str, path: str) -> str:
    try:
        return (resources.files(package) / path).read_text(encoding="utf-8")
    except (ImportError, OSError) as error:
        raise BenchError(
            f"{path} of the package {package} cannot be read: {error}. Install it: pip install {package}"
        ) from error


def embeddable(script: str) -> str:
    """The same program, without what would end a script element within it."""
    return re.sub(r"<(?=/script|!--)", r"\\x3C", script, flags=re.IGNORECASE)


def source_hash(script: str) -> str:
    """As a Content-Security-Policy names an inline script that may run."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
