"""Downloads that resume where they stopped, and archives that stay inside their folder."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.datasets.base import Report
from bench.errors import DataMissing
from bench.runs.store import new_directory

TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 20


class RemoteFile(NamedTuple):
    url: str
    size: int  # bytes
    md5: str  # hexadecimal


def record_file(record_url: str, name: str) -> RemoteFile:
    """The file `name` of a Zenodo record, from the record's JSON at `record_url`. Raises DataMissing."""
    record = _read_json(record_url)
    try:
        entry = {entry["key"]: entry for entry in record["files"]}[name]
        kind, _, md5 = entry["checksum"].partition(":")
        if kind != "md5":
            raise ValueError(f"checksum of kind {kind!r}")
        return RemoteFile(entry["links"]["self"], int(entry["size"]), md5)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataMissing(f"{record_url} describes no usable {name} ({error!r}).") from error


def _read_json(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            return json.load(response)
    except (OSError, http.client.HTTPException) as error:
        raise DataMissing(f"{url} cannot be fetched: {_reason(error)}.") from error
    except ValueError as error:
        raise DataMissing(f"{url} answered with something that is not JSON: {error}.") from error


def download(remote: RemoteFile, path: Path, report: Report | None = None) -> None:
    """Makes `path` the remote file.

    Bytes go to `<path>.part` first. An interrupted download leaves that file, and the next call asks only for the rest
    of it (HTTP Range). A `path` that is already right stays as it is.

    Raises DataMissing, and says whether the part file is kept, when the server cannot be reached, breaks off or answers
    with an error (kept), and when the size or the sum is wrong (removed).
    """
    url, size, md5 = remote
    if path.is_file() and path.stat().st_size == size and _md5(path) == md5:
        return
    part = path.with_name(f"{path.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.exists() and part.stat().st_size > size:
        part.unlink()
    if not part.exists() or part.stat().st_size < size:
        _fetch_rest(url, part, size, report)
    if (actual := _md5(part)) != md5:
        part.unlink()
        raise DataMissing(f"{url} arrived with MD5 sum {actual} instead of {md5}: the part file was removed, try again")
    part.replace(path)


def _fetch_rest(url: str, part: Path, size: int, report: Report | None) -> None:
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                start = 0  # a server without Range sends the whole file again
            _check_offer(url, response, part, start, size)
            _append(response, part, start, size, report)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise DataMissing(f"{url} ends before byte {start:,}: the part file was removed, try again") from error
        raise DataMissing(f"download of {url} failed: {_reason(error)}. {_kept(part)}") from error
    if (done := part.stat().st_size) != size:
        raise DataMissing(f"download of {url} broke off after {done:,} of {size:,} bytes. {_kept(part)}")


def _check_offer(url: str, response: http.client.HTTPResponse, part: Path, start: int, size: int) -> None:
    """A file of another length is another file: found out before its bytes are added to the part file."""
    length = response.headers["Content-Length"]
    offered = start + int(length) if length else size
    resumed = response.headers["Content-Range"]
    if offered != size or (resumed and not resumed.startswith(f"bytes {start}-")):
        part.unlink(missing_ok=True)
        raise DataMissing(
            f"{url} offers {offered:,} bytes (range {resumed}) instead of {size:,} bytes: the part file was removed"
        )


def _append(response: http.client.HTTPResponse, part: Path, start: int, size: int, report: Report | None) -> None:
    done = start
    with part.open("ab" if start else "wb") as file:
        while chunk := response.read(min(CHUNK, size - done)):
            file.write(chunk)
            done += len(chunk)
            if report:
                report(done, size)


def fetch_archive(
    remote: RemoteFile, archive: Path, complete: Callable[[Path], bool], report: Report | None = None
) -> None:
    """Downloads `archive` (`….zip`), unpacks it into the folder of the same name without `.zip`, and removes it.

    The folder appears whole, and only if `complete(folder)` holds. Raises DataMissing.
    """
    target = archive.with_suffix("")
    if target.exists():
        raise DataMissing(f"{target} exists but is not complete: move it away and try again.")
    download(remote, archive, report)
    with new_directory(target) as folder:
        extract_zip(archive, folder)
        if not complete(folder):
            raise DataMissing(f"{archive} does not hold the files that it should: remove it and try again.")
    archive.unlink()


def extract_zip(archive: Path, folder: Path) -> None:
    """Unpacks `archive` into the existing `folder`.

    Raises DataMissing when a member's path leads out of `folder` (nothing is unpacked) or the archive is damaged
    (what came before the damage is).
    """
    root = folder.resolve()
    try:
        with zipfile.ZipFile(archive) as members:
            for name in members.namelist():
                if not (root / name).resolve().is_relative_to(root):
                    raise DataMissing(f"{archive} has a member outside its folder, {name!r}: not unpacked")
            members.extractall(root)
    # RuntimeError: a member is encrypted, or packed in a way that this Python does not know.
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:
        raise DataMissing(f"{archive} is a damaged archive: {error}") from error


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _reason(error: Exception) -> str:
    """Without urllib's brackets: "HTTP 503 Service Unavailable", "Connection refused"."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(inner, "strerror", None) or inner)


def _kept(part: Path) -> str:
    if not part.exists():
        return "Nothing was stored."
    return f"{part} is kept ({part.stat().st_size:,} bytes): run the command again to resume from there."
