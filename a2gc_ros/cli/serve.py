"""``a2gc serve``: a map or a report in the browser, with a program behind it."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from rich.console import Console

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.errors import ConfigError
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.installation import needing

if TYPE_CHECKING:
    from a2gc_ros.serving.finding import Finder

MAP_OF_A_RUN: Final = "live.a2gc"


@app.command()
def serve(
    source: Annotated[
        Path, typer.Argument(help="A place map (.a2gc), or a folder that `a2gc replay` wrote.", show_default=False)
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; any but this machine's own asks for a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8600,
    model: Annotated[str, typer.Option(help="The model that made the map: a name, or an .onnx file.")] = DEFAULT_MODEL,
    backend: options.Backend = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves it to the runtime.")] = 0,
    token: Annotated[
        str | None, typer.Option(help="What others have to know; drawn at random where it is needed and not given.")
    ] = None,
) -> None:
    """Explore a map in the browser: drop a picture to see where it was taken, compare two keyframes.

    Only this machine can connect, unless --host says otherwise; then the address that is printed holds a token.
    Pictures are not kept. Of a report the page is served, and at /map the map that grew, where the folder has it.
    Ctrl-C ends it.

    Examples:
    `a2gc serve town.a2gc`

    `a2gc serve demo_report --port 9000`

    `a2gc serve town.a2gc --host 0.0.0.0`
    """
    with needing("a2gc serve", "serve"):
        import uvicorn

        from a2gc_ros.serving.app import application
        from a2gc_ros.serving.guard import is_loopback
    if token is not None and not token:
        raise ConfigError("--token is empty; leave it out to have one drawn")
    asked = token or ("" if is_loopback(host) else secrets.token_urlsafe(24))
    with Console(stderr=True).status("Building the page"):
        pages, finder = _contents(source, model, backend, threads)
    # Websockets and the like are not used, and what is not loaded cannot be attacked.
    config = uvicorn.Config(
        application(pages, finder, asked), host=host, port=port, log_level="warning", ws="none", server_header=False
    )
    try:
        sock = config.bind_socket()
    except SystemExit as error:
        raise ConfigError(f"{host}:{port} cannot be listened on: take another --port, or 0 for a free one") from error
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{sock.getsockname()[1]}/"

    class Server(uvicorn.Server):
        """Says where it is once it can be asked."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            typer.echo(f"open {address}{f'?token={asked}' if asked else ''}")

    Server(config).run(sockets=[sock])


def _contents(source: Path, model: str, backend: str, threads: int) -> tuple[dict[str, str], Finder | None]:
    """Returns pages by path, and what answers them."""
    if source.is_dir():
        index = source / "index.html"
        if not index.is_file():
            raise ConfigError(f"{source} has no index.html: name a folder that a2gc replay wrote, or a map")
        pages = {"/": index.read_text(encoding="utf-8")}
        if not (source / MAP_OF_A_RUN).is_file():
            return pages, None
        page, finder = _of_map(source / MAP_OF_A_RUN, model, backend, threads)
        return pages | {"/map": page}, finder
    page, finder = _of_map(source, model, backend, threads)
    return {"/": page}, finder


def _of_map(path: Path, model: str, backend: str, threads: int) -> tuple[str, Finder]:
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.serving.finding import Finder
    from a2gc_ros.viz.map_page import map_page

    place_map = PlaceMap.open(path, read_only=True)
    finder = Finder(place_map, open_extractor(model, backend=backend, threads=threads))
    return map_page(place_map, served=True).to_html(), finder
