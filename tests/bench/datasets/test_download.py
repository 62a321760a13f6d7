from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.datasets.download import RemoteFile, download, extract_zip, record_file
from bench.datasets.polymnist import official
from bench.errors import DataMissing

CONTENT = bytes(range(256)) * 5000  # 1.28 MB: more than one chunk
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files` {path: bytes}. `ranges`: honour Range; `cut`: close the connection after so many bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.cut: int | None = None
        self.asked: list[tuple[str, str | None]] = []  # (path, Range)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Quiet: clients that hang up are what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append((self.path, wanted))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.cut])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def remote(server: Server) -> RemoteFile:
    server.files["/file"] = CONTENT
    return RemoteFile(f"{server.url}/file", len(CONTENT), MD5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "file"


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def closed_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/record"


def test_download_reports_its_progress(remote: RemoteFile, path: Path) -> None:
    seen: list[tuple[int, int]] = []
    download(remote, path, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert not part_of(path).exists()
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_finished_file_is_not_fetched_again(remote: RemoteFile, path: Path, server: Server) -> None:
    download(remote, path)
    download(remote, path)
    assert server.asked == [("/file", None)]


def test_a_file_with_other_content_is_replaced(remote: RemoteFile, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(bytes(len(CONTENT)))
    download(remote, path)
    assert path.read_bytes() == CONTENT


def test_a_part_file_is_continued(remote: RemoteFile, path: Path, server: Server) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT[:1000])
    seen: list[int] = []
    download(remote, path, lambda done, _total: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/file", "bytes=1000-")]
    assert seen[0] > 1000


def test_a_complete_part_file_only_needs_its_check(remote: RemoteFile, path: Path, server: Server) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT)
    download(remote, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == []


def test_a_part_file_that_is_too_long_is_dropped(remote: RemoteFile, path: Path, server: Server) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT + b"more")
    download(remote, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/file", None)]


def test_a_server_without_ranges_sends_everything_again(remote: RemoteFile, path: Path, server: Server) -> None:
    server.ranges = False
    path.parent.mkdir()
    part_of(path).write_bytes(b"x" * 1000)
    download(remote, path)
    assert path.read_bytes() == CONTENT


def test_a_cut_connection_keeps_the_part_and_the_next_call_goes_on(
    remote: RemoteFile, path: Path, server: Server
) -> None:
    server.cut = 300_000
    with pytest.raises(DataMissing, match=r"broke off after 300,000 of 1,280,000 bytes.*file\.part is kept"):
        download(remote, path)
    assert part_of(path).read_bytes() == CONTENT[:300_000]
    assert not path.exists()
    server.cut = None
    download(remote, path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/file", "bytes=300000-")


def test_wrong_sum_removes_the_part(remote: RemoteFile, path: Path) -> None:
    with pytest.raises(DataMissing, match=f"MD5 sum {MD5} instead of 00.*part file was removed"):
        download(remote._replace(md5="00"), path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("difference", [-1, 1])
@pytest.mark.parametrize("started", [0, 1000])
def test_wrong_size_is_found_before_the_bytes_are_fetched(
    difference: int, started: int, remote: RemoteFile, path: Path
) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT[:started])
    with pytest.raises(DataMissing, match=r"offers 1,280,000 bytes .* instead of"):
        download(remote._replace(size=len(CONTENT) + difference), path)
    assert list(path.parent.iterdir()) == []


def test_a_part_longer_than_the_servers_file_is_removed(remote: RemoteFile, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT)
    with pytest.raises(DataMissing, match="ends before byte 1,280,000: the part file was removed"):
        download(remote._replace(size=len(CONTENT) + 1), path)
    assert not part_of(path).exists()


def test_http_errors_and_closed_ports_keep_the_part(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(b"12345")
    with pytest.raises(DataMissing, match=r"HTTP 404 Not Found\. .*file\.part is kept \(5 bytes\)"):
        download(RemoteFile(f"{server.url}/absent", 10, MD5), path)
    with pytest.raises(DataMissing, match=r"Connection refused\. .*file\.part is kept"):
        download(RemoteFile(closed_url(), 10, MD5), path)
    assert part_of(path).read_bytes() == b"12345"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "describes no usable PolyMNIST.zip"),
        (b'{"files": []}', "KeyError.'PolyMNIST.zip'"),
        (b'{"files": [{"key": "PolyMNIST.zip", "checksum": "sha1:00"}]}', "checksum of kind 'sha1'"),
    ],
)
def test_records_that_do_not_describe_the_file(answer: bytes, message: str, server: Server) -> None:
    server.files["/record"] = answer
    with pytest.raises(DataMissing, match=message):
        record_file(f"{server.url}/record", "PolyMNIST.zip")


def zip_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/outside"])
def test_an_archive_cannot_leave_its_folder(name: str, tmp_path: Path) -> None:
    archive, folder = tmp_path / "bad.zip", tmp_path / "folder"
    archive.write_bytes(zip_of({"good": b"1", name: b"2"}))
    folder.mkdir()
    with pytest.raises(DataMissing, match="outside its folder"):
        extract_zip(archive, folder)
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bad.zip"
    archive.write_bytes(b"PK no zip")
    with pytest.raises(DataMissing, match="damaged archive"):
        extract_zip(archive, tmp_path)


# fetch


def serve_record(server: Server, archive: bytes) -> str:
    entry = {
        "key": "PolyMNIST.zip",
        "size": len(archive),
        "checksum": f"md5:{hashlib.md5(archive).hexdigest()}",
        "links": {"self": f"{server.url}/content"},
    }
    server.files |= {"/record": json.dumps({"files": [entry]}).encode(), "/content": archive}
    return f"{server.url}/record"


def official_members(folder: str) -> dict[str, bytes]:
    return {f"{folder}/{split}/m{m}/0.0.png": b"png" for split in ("train", "test") for m in range(5)}


@pytest.mark.parametrize("top", ["PolyMNIST", "MMNIST", "."])
def test_fetch_unpacks_the_archive_once(top: str, server: Server, tmp_path: Path) -> None:
    url = serve_record(server, zip_of(official_members(top)))
    root = tmp_path / "data"
    folder = official.fetch(root, url)
    assert (folder / "train" / "m0" / "0.0.png").read_bytes() == b"png"
    assert sorted(path.name for path in root.iterdir()) == [".polymnist.lock", "PolyMNIST"]
    asked = len(server.asked)
    assert official.fetch(root, url) == folder
    assert len(server.asked) == asked


def test_fetch_goes_on_after_a_cut(server: Server, tmp_path: Path) -> None:
    url = serve_record(server, zip_of(official_members("PolyMNIST") | {"filler": CONTENT}))
    server.cut = 10_000
    with pytest.raises(DataMissing, match=r"PolyMNIST\.zip\.part is kept"):
        official.fetch(tmp_path, url)
    server.cut = None
    official.fetch(tmp_path, url)
    assert ("/content", "bytes=10000-") in server.asked


def test_fetch_offline_names_the_alternatives(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"Connection refused.*--source bundled.*unpack it into") as caught:
        official.fetch(tmp_path / "data", closed_url())
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("members", [{"readme.txt": b"hello"}, official_members("..")])
def test_fetch_of_a_wrong_archive_leaves_no_folder(members: dict[str, bytes], server: Server, tmp_path: Path) -> None:
    url = serve_record(server, zip_of(members))
    with pytest.raises(DataMissing, match="--source bundled"):
        official.fetch(tmp_path / "data", url)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [".polymnist.lock", "PolyMNIST.zip"]


def test_fetch_does_not_touch_a_folder_in_its_way(server: Server, tmp_path: Path) -> None:
    (tmp_path / "PolyMNIST").mkdir()
    (tmp_path / "PolyMNIST" / "mine").touch()
    with pytest.raises(DataMissing, match="move it away"):
        official.fetch(tmp_path, serve_record(server, zip_of(official_members("PolyMNIST"))))
    assert (tmp_path / "PolyMNIST" / "mine").exists()
