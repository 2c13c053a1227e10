"""``a2gc map push``, ``pull`` and ``locate``: a map and the database of a fleet."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.output import echo_json, echo_result, print_table
from a2gc_ros.cli.map.look import position_text
from a2gc_ros.errors import ConfigError
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.progress import progress_bar

FromOption = Annotated[
    str,
    typer.Option("--from", help="The fleet's database, postgresql://user@host/database.", show_default=False),
]


def push(
    place_map: options.MapFile,
    to: Annotated[str, typer.Option(help="The fleet's database, postgresql://user@host/database.", show_default=False)],
    site: Annotated[str, typer.Option(help="Whose the sessions are: who may see them in the database.")] = "default",
    pictures: Annotated[bool, typer.Option(help="Send the kept pictures; they can follow later.")] = True,
    features: Annotated[bool, typer.Option(help="Send the local features; they can follow later.")] = True,
    as_json: options.AsJson = False,
) -> None:
    """Store in the fleet's database what a map holds and the database does not.

    Only what is missing travels. What was counted is stored for good; Ctrl-C, kill and a lost link are safe, and the
    same command goes on.

    Examples:
    `a2gc map push town.a2gc --to postgresql://robot7@fleet.example/maps --site harbour`

    `a2gc map push town.a2gc --to postgresql://robot7@fleet.example/maps --no-pictures`
    """
    from a2gc_ros.fleet import Along
    from a2gc_ros.fleet import push as run
    from a2gc_ros.placemap import PlaceMap

    with PlaceMap.open(place_map, read_only=True) as opened, progress_bar("pushing keyframes") as moved:
        done = run(opened, to, site, Along(pictures, features), on_progress=moved)
    sentence = f"{done.sent} of {done.keyframes} keyframes in {done.sessions} sessions were sent; all are there"
    echo_result(asdict(done), sentence, as_json=as_json)


def pull(
    database: FromOption,
    out: Annotated[Path, typer.Option(help="The map; what it lacks is added if it exists.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="Name or fingerprint of the model, where the database holds several.")
    ] = "",
    site: Annotated[list[str] | None, typer.Option(help="Only of this site; repeatable.")] = None,
    session: Annotated[list[str] | None, typer.Option(help="Only this session, by UUID or name; repeatable.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only what was seen since, as 2026-11-28 or 2026-11-28T14:00.")
    ] = None,
    area: Annotated[
        str | None, typer.Option(help="Only here: x,y,x,y in metres of a session's own odometry, the least first.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Fetch the kept pictures.")] = True,
    features: Annotated[bool, typer.Option(help="Fetch the local features.")] = True,
    as_json: options.AsJson = False,
) -> None:
    """Write what the fleet's database holds into an ordinary map, or add to a map what it lacks.

    Ctrl-C, kill and a lost link leave a valid map, and the same command goes on.

    Examples:
    `a2gc map pull --from postgresql://robot7@fleet.example/maps --site harbour --out harbour.a2gc`

    `a2gc map pull --from postgresql://robot7@fleet.example/maps --since 2026-11-01 --no-pictures --out week.a2gc`
    """
    from a2gc_ros.fleet import Along, Wanted
    from a2gc_ros.fleet import pull as run

    wanted = Wanted(model, site or (), session or (), _nanoseconds(since), _rectangle(area))
    with progress_bar("pulling keyframes") as moved:
        came = run(database, out, wanted, Along(pictures, features), on_progress=moved)
    echo_result({"map": str(out), "keyframes": came}, f"{out}: {came} keyframes came", as_json=as_json)


def locate(
    picture: Annotated[Path, typer.Argument(help="An image file.", show_default=False)],
    database: FromOption,
    model: options.Model = DEFAULT_MODEL,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many keyframes to print.")] = 5,
    backend: options.Backend = "auto",
    as_json: options.AsJson = False,
) -> None:
    """Ask the fleet's database where a picture is from: the keyframes that look most like it.

    Examples:
    `a2gc map locate door.jpg --from postgresql://guest@fleet.example/maps`
    """
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.fleet import locate as run
    from a2gc_ros.images.decode import decode_compressed

    try:
        data = picture.read_bytes()
    except OSError as error:
        raise ConfigError(f"{picture} cannot be read ({error.strerror}): name an image file") from error
    extractor = open_extractor(model, backend=backend)
    found = run(database, extractor.spec.fingerprint, extractor.extract_one(decode_compressed(data)), k)
    if as_json:
        echo_json([asdict(place) for place in found])
        return
    rows = []
    for place in found:
        seen = datetime.fromtimestamp(place.stamp_ns / 1e9, tz=timezone.utc)
        where = position_text(place.position)
        rows.append((f"{place.similarity:.3f}", place.site, place.session_name, f"{seen:%Y-%m-%d %H:%M:%S}", where))
    print_table(("similarity", "site", "session", "seen", "x, y, z [m]"), rows)


def _nanoseconds(since: str | None) -> int | None:
    if since is None:
        return None
    try:
        when = datetime.fromisoformat(since)
    except ValueError as error:
        raise ConfigError(f"--since {since!r} is no time: write it as 2026-11-28 or 2026-11-28T14:00") from error
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return int(when.timestamp()) * 10**9


def _rectangle(area: str | None) -> tuple[float, float, float, float] | None:
    if area is None:
        return None
    try:
        x_from, y_from, x_to, y_to = (float(part) for part in area.split(","))
    except ValueError as error:
        raise ConfigError(f"--area {area!r} is no rectangle: write four numbers, as -10,0,25.5,40") from error
    if not (x_from <= x_to and y_from <= y_to):
        raise ConfigError(f"--area {area!r} holds nothing: write the lesser x and y first")
    return x_from, y_from, x_to, y_to
