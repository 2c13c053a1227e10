"""What robots push is in the database once and for good, and what is pulled is what was pushed."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psycopg
import pytest

from a2gc_ros.errors import FleetError, MapError
from a2gc_ros.fleet import Along, Wanted, index_model, initialize, locate, pull, push
from a2gc_ros.fleet.database import sentence
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap

from .conftest import content, written

EVERYTHING = Wanted()


def pushed(path: Path, url: str, site: str = "north", **options: bool) -> int:
    with PlaceMap.open(path, read_only=True) as place_map:
        return push(place_map, url, site, Along(**options)).sent


def test_what_is_pulled_is_what_was_pushed(url: str, town: Path) -> None:
    assert pushed(town, url) == 60
    assert pushed(town, url) == 0
    out = town.with_name("pulled.a2gc")
    progress: list[tuple[int, int]] = []
    assert pull(url, out, EVERYTHING, on_progress=lambda *counts: progress.append(counts)) == 60
    assert content(out) == content(town)
    assert progress[0] == (0, 60)
    assert progress[-1] == (60, 60)
    assert pull(url, out, EVERYTHING) == 0
    with PlaceMap.open(out, read_only=True) as place_map:
        assert place_map.manifest.model_name == "numbers"


def test_only_what_is_missing_travels(url: str, town: Path) -> None:
    pushed(town, url)
    out = town.with_name("pulled.a2gc")
    pull(url, out, EVERYTHING)
    (vector,) = np.eye(48, dtype=np.float32)[:1]
    with PlaceMap.open(town) as place_map:
        place_map.add(2, 2 * 10**18, vector)
        place_map.add_many(place_map.add_session("run 2").id, [NewKeyframe(3 * 10**18, vector)])
    assert pushed(town, url) == 2
    assert pull(url, out, EVERYTHING) == 2
    assert content(out) == content(town)


def test_pictures_and_features_may_follow(url: str, town: Path) -> None:
    assert pushed(town, url, pictures=False, features=False) == 60
    bare = town.with_name("bare.a2gc")
    pull(url, bare, EVERYTHING)
    with PlaceMap.open(bare, read_only=True) as place_map:
        assert place_map.image(1) is None
        assert place_map.features(1) is None
    assert pushed(town, url) == 60
    assert pushed(town, url) == 0
    out = town.with_name("pulled.a2gc")
    pull(url, out, EVERYTHING)
    assert content(out) == content(town)
    slim = town.with_name("slim.a2gc")
    pull(url, slim, EVERYTHING, Along(pictures=False))
    with PlaceMap.open(slim, read_only=True) as place_map:
        assert place_map.image(1) is None
        assert place_map.features(1) is not None


def test_a_part_is_pulled(url: str, town: Path) -> None:
    pushed(town, url)
    pushed(written(town.with_name("south.a2gc"), 1, 10, seed=3), url, "south")
    wanted = {
        "site": (Wanted(sites=["south"]), 10),
        "name": (Wanted(sessions=["run 1"]), 30),
        "time": (Wanted(since_ns=10**18 + 20 * 10**9), 20),
        "area": (Wanted(area=(4.5, -0.5, 8.5, 0.5)), 8),
        "area and site": (Wanted(area=(4.5, -0.5, 8.5, 0.5), sites=["north"]), 4),
        "model": (Wanted(model="numbers"), 70),
        "fingerprint": (Wanted(model="ffff"), 70),
    }
    for name, (what, count) in wanted.items():
        assert pull(url, town.with_name(f"{name}.a2gc"), what) == count, name
    with pytest.raises(FleetError, match="no keyframes like these"):
        pull(url, town.with_name("none.a2gc"), Wanted(sites=["west"]))
    assert not town.with_name("none.a2gc").exists()


def test_models_never_mix(url: str, town: Path) -> None:
    pushed(town, url)
    other = town.with_name("other.a2gc")
    with PlaceMap.create(other, Manifest("a" * 64, 8, "letters")) as place_map:
        place_map.add(place_map.add_session("x").id, 1, np.full(8, 8**-0.5, np.float32))
    pushed(other, url)
    with pytest.raises(FleetError, match=r"several models, .*numbers.*name one"):
        pull(url, town.with_name("out.a2gc"), EVERYTHING)
    with pytest.raises(FleetError, match=r"no model 'figures': name one that it has, letters .*, numbers "):
        pull(url, town.with_name("out.a2gc"), Wanted(model="figures"))
    with pytest.raises(MapError, match=r"numbers.*letters"):
        pull(url, town, Wanted(model="letters"))
    with psycopg.connect(url) as connection:
        query = (
            "INSERT INTO a2gc.keyframes (session, fingerprint, dim, number, stamp_ns, crc32, frame_id, descriptor) "
            "SELECT uuid, {}, {}, 1, 1, 1, '', '[1,0]'::halfvec FROM a2gc.sessions WHERE dim = 48"
        )
        for fingerprint, dim in (("'" + "a" * 64 + "'", "8"), ("fingerprint", "2"), ("fingerprint", "48")):
            with pytest.raises(psycopg.errors.IntegrityError), connection.transaction():
                connection.execute(query.format(fingerprint, dim))


def test_a_robot_sees_its_own_site_alone_and_deletes_nothing(url: str, town: Path) -> None:
    pushed(town, url)
    south = written(town.with_name("south.a2gc"), 1, 10, seed=3)
    pushed(south, url, "south")
    with psycopg.connect(url, autocommit=True) as owner:
        for role in ("robot", "a2gc_site_north"):
            owner.execute(f"DROP ROLE IF EXISTS {role}")
        owner.execute("CREATE ROLE a2gc_site_north NOLOGIN")
        owner.execute("CREATE ROLE robot LOGIN PASSWORD 'secret'")
        owner.execute("GRANT a2gc_writer, a2gc_site_north TO robot")
    robot = url.replace("postgres:@", "robot:secret@")
    out = town.with_name("pulled.a2gc")
    assert pull(robot, out, EVERYTHING) == 60
    with pytest.raises(FleetError, match="no keyframes like these"):
        pull(robot, town.with_name("x.a2gc"), Wanted(sites=["south"]))
    with pytest.raises(FleetError, match=r"belongs to another site in .*: push it for that site") as told:
        pushed(south, robot, "north")
    assert "secret" not in str(told.value)
    with pytest.raises(FleetError, match=r"refuses this .*row-level security"):
        pushed(written(town.with_name("new.a2gc"), 1, 5, seed=9), robot, "south")
    assert pushed(written(town.with_name("own.a2gc"), 1, 5, seed=9), robot, "north") == 5
    with psycopg.connect(robot, autocommit=True) as connection:
        assert connection.execute("SELECT sum(keyframes) FROM a2gc.session_summary").fetchone() == (65,)
        assert connection.execute("SELECT count(*) FROM a2gc.keyframe_positions").fetchone() == (65,)
        assert connection.execute("SELECT count(*) FROM a2gc.images").fetchone() == (65,)
        for statement in (
            "DELETE FROM a2gc.keyframes",
            "UPDATE a2gc.keyframes SET stamp_ns = 0",
            "TRUNCATE a2gc.images",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("REVOKE a2gc_writer, a2gc_site_north FROM robot")


@pytest.mark.parametrize("indexed", [False, True])
def test_the_database_says_where_a_picture_is_from(url: str, town: Path, indexed: bool) -> None:
    pushed(town, url)
    if indexed:
        index_model(url, "f" * 64)
        index_model(url, "f" * 64)
    with PlaceMap.open(town, read_only=True) as place_map:
        similarities, ids = place_map.search(place_map.descriptors([7]), 3)
        found = locate(url, "f" * 64, place_map.descriptors([7])[0], 3)
        stamps = [place_map.keyframe(int(number)).stamp_ns for number in ids[0]]
    assert [place.stamp_ns for place in found] == stamps
    np.testing.assert_allclose([place.similarity for place in found], similarities[0], atol=2e-3)
    assert (found[0].site, found[0].session_name, found[0].position) == ("north", "run 0", (6.0, 0.0, 0.0))
    with pytest.raises(FleetError, match="no keyframes of the model"):
        locate(url, "b" * 64, np.ones(48, np.float32), 3)


def test_what_cannot_be_reached_is_told_in_a_sentence(server: str, town: Path) -> None:
    for url, words in {
        "sqlite:///x": "is no database",
        "postgresql://me:secret@127.0.0.1:1/x": "cannot be reached",
        server: "no fleet's database yet",
    }.items():
        with pytest.raises(FleetError, match=words) as told:
            pushed(town, url)
        assert "secret" not in str(told.value)
    with pytest.raises(FleetError, match="cannot be reached"):
        initialize("postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(FleetError, match=r"does not let this user in .*nobody.*: check user, password"):
        initialize(server.replace("postgres:@", "nobody:secret@"))
    with pytest.raises(FleetError, match=r"does not let this user in .*nowhere.* does not exist.*the database's name"):
        initialize(server.replace("/postgres?", "/nowhere?"))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("08006", "cannot be reached .*check address"),
        ("23505", "does not take this .*compare the two"),
        ("28P01", "does not let this user in .*check user"),
        ("40P01", "was busy .*goes on"),
        ("42501", "refuses this .*role of the site"),
        ("42P01", "other tables than this program .*`a2gc fleet init postgresql://me@there/maps`"),
        ("53100", "is at its limit .*makes room"),
        ("57014", "stopped this .*goes on"),
        ("XX000", "failed .*the server's log"),
    ],
)
def test_each_error_of_the_database_says_what_to_do(state: str, words: str) -> None:
    told = sentence("postgresql://me:secret@there/maps", psycopg.errors.lookup(state)("these words"))
    assert re.search(words, told), told
    assert "(these words): " in told
    assert "secret" not in told


PUSHER = """
import sys
from a2gc_ros.fleet import push
from a2gc_ros.fleet import pushing
from a2gc_ros.placemap import PlaceMap
pushing.BATCH = 10
with PlaceMap.open(sys.argv[1], read_only=True) as place_map:
    push(place_map, sys.argv[2], "north", on_progress=lambda done, _total: print(done, flush=True))
"""


@pytest.mark.slow
def test_robots_that_push_at_once_and_are_killed_lose_nothing(url: str, tmp_path: Path) -> None:
    """Three push, two of them the same sessions; each is killed again and again at some acknowledged batch."""
    maps = [written(tmp_path / f"{number}.a2gc", 1, 120, seed=number) for number in range(2)]
    rng = random.Random(4)
    running: dict[int, subprocess.Popen[str]] = {}
    acknowledged = [0, 0, 0]
    kills = 0
    left = {0, 1, 2}

    def start(number: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PUSHER, str(maps[number % 2]), url]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)

    for number in left:
        running[number] = start(number)
    deadline = time.monotonic() + 120
    while left:
        assert time.monotonic() < deadline
        for number in sorted(left):
            process = running[number]
            assert process.stdout is not None
            line = process.stdout.readline()
            if line:
                acknowledged[number] = int(line)
                with psycopg.connect(url) as connection:
                    session = next(iter(content(maps[number % 2]))).split()[-1]
                    query = "SELECT count(*) FROM a2gc.keyframes WHERE session = %s"
                    (stored,) = connection.execute(query, (session,)).fetchone()
                assert stored >= acknowledged[number]
            if line and kills < 4 and rng.random() < 0.4:
                process.send_signal(signal.SIGKILL)
                process.wait()
                running[number], kills = start(number), kills + 1
            elif not line:
                assert process.wait() == 0
                left.discard(number)
    assert kills >= 3
    out = tmp_path / "all.a2gc"
    assert pull(url, out, EVERYTHING) == 240
    together = content(out)
    for path in maps:
        for session, rows in content(path).items():
            assert together[session] == rows


PULLER = """
import sys
from a2gc_ros.fleet import Wanted, pull, pulling
pulling.BATCH = 10
pull(sys.argv[1], sys.argv[2], Wanted(), on_progress=lambda done, _total: print(done, flush=True))
"""


def test_a_pull_that_is_killed_is_gone_on_with(url: str, town: Path) -> None:
    pushed(town, url)
    out = town.with_name("pulled.a2gc")
    process = subprocess.Popen([sys.executable, "-c", PULLER, url, str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 20:
        pass
    process.kill()
    process.wait()
    with PlaceMap.open(out, read_only=True) as place_map:
        there = len(place_map)
    assert 20 <= there <= 60
    assert pull(url, out, EVERYTHING) == 60 - there
    assert content(out) == content(town)
