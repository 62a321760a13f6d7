from __future__ import annotations

from pathlib import Path

import pytest

from bench.datasets.download import RemoteFile, download, extract_zip, record_file
from bench.errors import DataMissing
from tests.bench.datasets.server import CONTENT, MD5, Server, closed_url, zip_of


@pytest.fixture
def remote(server: Server) -> RemoteFile:
    server.files["/file"] = CONTENT
    return RemoteFile(f"{server.url}/file", len(CONTENT), MD5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "file"


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


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
