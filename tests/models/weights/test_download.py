"""Downloads from a real HTTP server on this machine: whole, broken off, changed, damaged, absent."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from a2gc_ros.errors import DownloadError
from a2gc_ros.models.weights import Weights, download
from a2gc_ros.models.weights.download import fetch
from a2gc_ros.system.folders import cache_folder

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one file under any path, with the faults a test asks for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag: str | None = '"v1"'
        self.ranges = True
        self.break_after: list[int] = []
        self.status = 200
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(dict(self.headers))
        if server.status != 200:
            self.send_error(server.status)
            return
        start = 0
        asked = self.headers.get("Range")
        if asked and server.ranges and self.headers.get("If-Range") in (None, server.etag):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        if server.break_after:
            body = body[: server.break_after.pop(0)]
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("A2GC_WEIGHTS", raising=False)


def weights(server: Server, sha256: str | None = SHA256) -> Weights:
    return Weights("weights.pth", "dinov2", "Apache-2.0", server.url, sha256)


def left_behind() -> set[str]:
    return {path.name for path in cache_folder("weights").iterdir()} - {"weights.pth.lock"}


def test_downloads_once(server: Server) -> None:
    path = fetch(weights(server))
    assert path.read_bytes() == CONTENT
    assert fetch(weights(server)) == path
    assert len(server.requests) == 1
    assert left_behind() == {"weights.pth"}


def test_the_first_digits_of_a_hash_are_enough(server: Server) -> None:
    assert fetch(weights(server, SHA256[:8])).read_bytes() == CONTENT


def test_takes_up_a_broken_connection_where_it_broke(server: Server) -> None:
    server.break_after = [300_000, 200_000]
    assert fetch(weights(server)).read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == [None, "bytes=300000-", "bytes=500000-"]
    assert left_behind() == {"weights.pth"}


def test_goes_on_in_a_later_run(server: Server) -> None:
    server.break_after = [100_000] * download.ATTEMPTS
    with pytest.raises(DownloadError, match=r"broke off 5 times .*what arrived is kept"):
        fetch(weights(server))
    assert (cache_folder("weights") / "weights.pth.part").stat().st_size == 500_000
    assert fetch(weights(server)).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == "bytes=500000-"


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server) -> None:
    server.break_after = [100_000] * download.ATTEMPTS
    with pytest.raises(DownloadError):
        fetch(weights(server))
    server.content, server.etag = CONTENT[::-1], '"v2"'
    assert fetch(weights(server, None)).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_starts_over(server: Server) -> None:
    server.ranges = False
    server.break_after = [300_000]
    assert fetch(weights(server)).read_bytes() == CONTENT


def test_a_server_that_tells_no_version_starts_over(server: Server) -> None:
    server.etag = None
    server.break_after = [300_000]
    assert fetch(weights(server)).read_bytes() == CONTENT
    assert "Range" not in server.requests[-1]


def test_the_last_byte_may_have_arrived_before(server: Server) -> None:
    cache_folder("weights").mkdir(parents=True)
    (cache_folder("weights") / "weights.pth.part").write_bytes(CONTENT)
    (cache_folder("weights") / "weights.pth.part.version").write_text('"v1"')
    assert fetch(weights(server)).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={len(CONTENT)}-"


def test_a_wrong_file_is_refused_and_deleted(server: Server) -> None:
    server.content = b"<html>not found</html>"
    with pytest.raises(DownloadError, match=f"where {SHA256} is expected, so it was deleted"):
        fetch(weights(server))
    assert left_behind() == set()
    server.content = CONTENT
    assert fetch(weights(server)).read_bytes() == CONTENT


def test_damage_in_the_cache_is_noticed(server: Server) -> None:
    path = fetch(weights(server))
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match="damaged or another version; delete it"):
        fetch(weights(server))


def test_an_unknown_hash_is_recorded_and_held_to(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    path = fetch(weights(server, None))
    assert SHA256 in capsys.readouterr().err
    assert (cache_folder("weights") / "weights.pth.sha256").read_text().strip() == SHA256
    assert fetch(weights(server, None)) == path
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(DownloadError, match=f"where {SHA256} is expected"):
        fetch(weights(server, None))


def test_the_local_folder_comes_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A2GC_WEIGHTS", str(tmp_path))
    (tmp_path / "weights.pth").write_bytes(CONTENT)
    assert fetch(weights(server)) == tmp_path / "weights.pth"
    assert not server.requests
    (tmp_path / "weights.pth").write_bytes(b"other")
    with pytest.raises(DownloadError, match="damaged or another version"):
        fetch(weights(server))


def test_the_network_serves_what_the_local_folder_lacks(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A2GC_WEIGHTS", str(tmp_path))
    assert fetch(weights(server)) == cache_folder("weights") / "weights.pth"


def test_a_moved_file_says_so(server: Server) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match=r"answers 404 Not Found: .*A2GC_WEIGHTS"):
        fetch(weights(server))


def test_offline_says_what_to_do(server: Server) -> None:
    entry = weights(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"weights.pth is not on this machine and .* A2GC_WEIGHTS\.$") as caught:
        fetch(entry)
    assert "\n" not in str(caught.value)


def test_a_file_without_address_says_what_to_do() -> None:
    with pytest.raises(DownloadError, match="cannot be downloaded from anywhere: put it into a folder"):
        fetch(Weights("mine.safetensors", "own", "Apache-2.0"))


def test_many_at_once_download_once(server: Server) -> None:
    """The ranks of a training; the lock holds between threads as it does between processes."""
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(fetch, [weights(server)] * 4))
    assert len(paths) == 1
    assert len(server.requests) == 1
