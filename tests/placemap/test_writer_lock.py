"""One writer at a time, in whatever process, and none after it died."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from a2gc_ros.errors import MapError
from a2gc_ros.placemap import Manifest, PlaceMap

WRITER = """
import sys, time
from a2gc_ros.placemap import PlaceMap
place_map = PlaceMap.open(sys.argv[1])
print("writing", flush=True)
time.sleep(60)
"""


@pytest.fixture
def town(tmp_path: Path) -> Path:
    path = tmp_path / "town.a2gc"
    PlaceMap.create(path, Manifest("f" * 64, 8)).close()
    return path


@pytest.fixture
def writer(town: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the map open for writing."""
    command = [sys.executable, "-c", WRITER, str(town)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_who_writes_and_readers_are_welcome(town: Path, writer: subprocess.Popen[str]) -> None:
    link = town.with_name("link.a2gc")
    link.symlink_to(town)
    for path in (town, link, town.parent / ".." / town.parent.name / town.name):
        with pytest.raises(MapError, match=rf"is busy: .*\(process {writer.pid} on .*\) writes to it"):
            PlaceMap.open(path)
    with PlaceMap.open(town, read_only=True) as reader:
        assert len(reader) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_writer_that_dies_lets_go(town: Path, writer: subprocess.Popen[str], number: int) -> None:
    writer.send_signal(number)
    writer.wait()
    with PlaceMap.open(town) as place_map:
        place_map.add_session("after")


def test_one_process_too_writes_only_once(town: Path) -> None:
    with PlaceMap.open(town), pytest.raises(MapError, match="is busy"):
        PlaceMap.open(town)
    PlaceMap.open(town).close()
    assert not town.with_name("town.a2gc.lock").exists()


def test_two_that_begin_one_map_make_one(tmp_path: Path) -> None:
    path = tmp_path / "new.a2gc"
    with PlaceMap.create(path, Manifest("f" * 64, 8)) as first:
        with pytest.raises(MapError, match="is busy"):
            PlaceMap.create(path, Manifest("f" * 64, 8))
        first.add_session("kept")
    with PlaceMap.open(path, read_only=True) as again:
        assert [session.name for session in again.sessions()] == ["kept"]


def test_a_copy_does_not_replace_a_map_that_another_program_writes(
    town: Path, writer: subprocess.Popen[str], tmp_path: Path
) -> None:
    with (
        PlaceMap.create(tmp_path / "mine.a2gc", Manifest("f" * 64, 8)) as mine,
        pytest.raises(MapError, match=f"is busy: .*process {writer.pid} "),
    ):
        mine.save_copy(town)


def test_a_map_that_is_refused_is_not_locked(town: Path) -> None:
    with pytest.raises(MapError, match="was built with"):
        PlaceMap.open(town, fingerprint="0" * 64)
    PlaceMap.open(town).close()
