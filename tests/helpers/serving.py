"""A map of a painted wall behind a real server."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner


def wall_map(folder: Path) -> tuple[Path, Path]:
    """A map of one round along a painted wall, and the model that made it."""
    from painted_wall import STEPS, write_drive
    from thumbnail_model import write_thumbnail_model

    from a2gc_ros.cli.main import app

    write_drive(folder / "wall.mcap")
    write_thumbnail_model(folder / "thumbnail.onnx")
    town = folder / "wall.a2gc"
    arguments = ["map", "build", folder / "wall.mcap", "--out", town, "--model", folder / "thumbnail.onnx"]
    built = CliRunner().invoke(app, [*map(str, arguments), "--distance", "0.5", "--stop", str(STEPS / 4)])
    assert built.exit_code == 0, built.output
    return town, folder / "thumbnail.onnx"


@contextmanager
def served(source: Path, model: Path, token: str = "") -> Iterator[int]:
    """Port of a server that answers for a map or a report."""
    import uvicorn

    from a2gc_ros.cli.serve import _contents
    from a2gc_ros.serving.app import application

    pages, finder = _contents(source, str(model), "auto", 1)
    config = uvicorn.Config(application(pages, finder, token), host="127.0.0.1", port=0, log_level="error", ws="none")
    sock = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        sock.close()


def asked(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()
