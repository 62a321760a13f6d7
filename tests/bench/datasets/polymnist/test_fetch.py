from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bench.datasets.polymnist import official
from bench.errors import DataMissing
from tests.bench.datasets.server import CONTENT, Server, closed_url, zip_of


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


def test_fetch_resumes_after_a_cut(server: Server, tmp_path: Path) -> None:
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
