"""A server that answers its own page on this machine, and nobody else."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs starlette: pip install '.[serve]'")
pytest.importorskip("uvicorn", reason="needs uvicorn: pip install '.[serve]'")

from serving import asked, served
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.serving.guard import MOST_BYTES, is_loopback

OWN = {"X-A2GC": "1"}


@pytest.fixture(scope="module")
def port(wall: tuple[Path, Path]) -> Iterator[int]:
    with served(*wall) as opened:
        yield opened


def test_a_picture_of_the_map_is_found_where_it_was_taken(port: int, wall: tuple[Path, Path]) -> None:
    with PlaceMap.open(wall[0], read_only=True) as place_map:
        keyframe = place_map.keyframes()[7]
        jpeg = place_map.image(keyframe.id)
    assert jpeg is not None
    status, _, body = asked(port, "POST", "/api/locate?same_camera=1", jpeg, OWN)
    found = json.loads(body)
    assert status == 200
    best = found["answers"][0]
    assert best["keyframe_id"] == keyframe.id
    assert best["verified"]
    assert best["inliers"] > 50
    assert best["similarity"] > 0.99
    # The wall's camera has no calibration, so there is no pose, and it says so.
    assert best["position_m"] is None
    assert "nobody knows this camera" in best["reason"]
    assert [answer["verified"] for answer in found["answers"]] == sorted(
        (answer["verified"] for answer in found["answers"]), reverse=True
    )


def test_two_keyframes_are_compared(port: int) -> None:
    status, _, body = asked(port, "POST", "/api/verify", b'{"query": 5, "keyframe": 6}', OWN)
    assert status == 200
    assert json.loads(body)["verified"]
    status, _, body = asked(port, "POST", "/api/verify", b'{"query": 1, "keyframe": 13}', OWN)
    assert not json.loads(body)["verified"]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/locate", b"", 422, "carries no data"),
        ("/api/locate", b"GIF89a", 422, "neither JPEG nor PNG"),
        ("/api/locate", b"\xff\xd8\xff\xe0" + bytes(50), 422, "truncated"),
        ("/api/verify", b"{}", 400, "two numbers"),
        ("/api/verify", b"[1]", 400, "two numbers"),
        ("/api/verify", b"\xff", 400, "two numbers"),
        ("/api/verify", b'{"query": 1e999, "keyframe": 1}', 400, "two numbers"),
        ("/api/verify", b"[" * 100_000, 400, "two numbers"),
        ("/api/verify", b'{"query": 1, "keyframe": 99999}', 422, "99999"),
    ],
)
def test_a_mistake_is_answered_in_a_sentence(port: int, path: str, body: bytes, status: int, words: str) -> None:
    answered = asked(port, "POST", path, body, OWN)
    assert answered[0] == status
    assert words in json.loads(answered[2])["error"]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Host": "evil.example"}, 421),
        ("GET", {"Host": "127.0.0.1.evil.example"}, 421),
        ("POST", {}, 403),
        ("POST", {**OWN, "Host": "evil.example"}, 421),
        ("POST", {**OWN, "Content-Length": str(MOST_BYTES + 1)}, 413),
        ("POST", {**OWN, "Content-Length": "-1"}, 400),
    ],
)
def test_what_is_not_its_own_page_is_refused(port: int, method: str, headers: dict[str, str], status: int) -> None:
    assert asked(port, method, "/api/locate" if method == "POST" else "/", b"", headers)[0] == status


def test_an_upload_without_an_end_is_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        head = "POST /api/locate HTTP/1.1\r\nHost: localhost\r\nX-A2GC: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        part = b"%x\r\n" % 1_000_000 + bytes(1_000_000) + b"\r\n"
        try:
            for _ in range(MOST_BYTES // 1_000_000 + 20):
                connection.sendall(part)
        except OSError:
            return
        assert b"413" in connection.recv(4096)


def test_answers_stay_where_they_belong(port: int) -> None:
    status, headers, body = asked(port, "GET", "/")
    assert status == 200
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "connect-src 'self'" in body.decode()


def test_others_need_the_token(wall: tuple[Path, Path]) -> None:
    with served(*wall, token="a-secret") as port:
        far = {"Host": "robot.example"}
        assert asked(port, "GET", "/", headers=far)[0] == 401
        assert asked(port, "GET", "/?token=wrong", headers=far)[0] == 401
        status, headers, _ = asked(port, "GET", "/?token=a-secret", headers=far)
        assert status == 303
        assert headers["location"] == "/"
        assert "HttpOnly" in headers["set-cookie"]
        assert "samesite=strict" in headers["set-cookie"].lower()
        cookie = headers["set-cookie"].split(";")[0]
        assert asked(port, "GET", "/", headers={**far, "Cookie": cookie})[0] == 200
        assert asked(port, "POST", "/api/verify", b"{}", {**far, **OWN})[0] == 401


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("robot", False),
    ],
)
def test_which_addresses_are_this_machine_s_own(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_a_report_is_served_without_a_map(tmp_path: Path, wall: tuple[Path, Path]) -> None:
    (tmp_path / "index.html").write_text("<h1>a report</h1>")
    with served(tmp_path, wall[1]) as port:
        assert asked(port, "GET", "/")[2] == b"<h1>a report</h1>"
        assert asked(port, "POST", "/api/verify", b"{}", OWN)[0] == 404


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nothing.a2gc"], "nothing.a2gc"), ([], "has no index.html"), (["--token", ""], "is empty")],
)
def test_a_mistake_on_the_command_line_is_one_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    source = [] if arguments and not arguments[0].startswith("-") else [str(tmp_path)]
    result = CliRunner().invoke(app, ["serve", *source, *arguments])
    assert isinstance(result.exception, A2gcError)
    assert words in str(result.exception)


@pytest.mark.slow
def test_the_command_says_where_and_ends_by_ctrl_c(wall: tuple[Path, Path]) -> None:
    command = ["a2gc_ros.cli.main", "serve", *map(str, wall), "--port", "0", "--host", "0.0.0.0"]
    command.insert(3, "--model")
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.fullmatch(r"open http://0\.0\.0\.0:(\d+)/\?token=(\S+)\n", line)
            assert found is not None, line
            port = int(found[1])
            assert asked(port, "GET", "/")[0] == 401
            assert asked(port, "GET", f"/?token={found[2]}")[0] == 303
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=20) in (0, 130, -signal.SIGINT)
        finally:
            server.kill()
