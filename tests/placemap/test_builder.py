"""Building: the same frames give the same map, however often and wherever the work is cut off."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from programs import load

from a2gc_ros.errors import BagError, MapError
from a2gc_ros.placemap import BuildPlan, Manifest, MapBuilder, PlaceMap, Spacing

PROGRAM = Path(__file__).with_name("recordings.py")


recordings = load(PROGRAM)


def _builder(place_map: PlaceMap, spacing: Spacing | None = None, batch: int = 5) -> MapBuilder:
    extractor = recordings.MadeExtractor()
    return MapBuilder(place_map, extractor, BuildPlan(spacing or Spacing(), batch, recordings.few_pixels))


def test_keyframes_are_spaced_by_the_way(tmp_path: Path) -> None:
    with recordings.build(tmp_path / "m.a2gc", 101, poses=True) as place_map:
        keyframes = place_map.keyframes()
    ways = np.array([k.pose[0, 3] for k in keyframes if k.pose is not None])
    steps = np.diff(ways)
    assert len(steps) > 20
    # Twenty frames turn one radian in five metres: the angle asks for more keyframes than the metre does.
    angles = np.array([0.05 * k.stamp_ns / 1e8 for k in keyframes])
    assert ((steps >= 1.0 - 1e-9) | (np.diff(angles) >= 0.5 - 1e-9)).all()
    assert (steps < 1.4).all()
    assert keyframes[-1].path_length == pytest.approx(ways[-1] - ways[0], rel=0.02)


def test_a_standing_robot_adds_nothing(tmp_path: Path) -> None:
    still = [
        recordings.Frame(at * 10**8, np.full((48, 48, 3), at % 250, np.uint8), "", None, np.eye(4)) for at in range(50)
    ]
    with PlaceMap.create(tmp_path / "m.a2gc", Manifest("a" * 64, recordings.DIM)) as place_map:
        assert _builder(place_map).build("s", still, session_name="s").keyframes == 1
        timed = _builder(place_map, Spacing(time_s=1.0)).build("t", still, session_name="t")
        assert timed.keyframes == 5


def test_without_poses_the_descriptor_or_the_time_decides(tmp_path: Path) -> None:
    with recordings.build(tmp_path / "m.a2gc", 120, poses=False) as place_map:
        kept = place_map.keyframes()
        vectors = place_map.descriptors([k.id for k in kept])
    assert 10 < len(kept) < 110
    assert (np.einsum("nd,nd->n", vectors[1:], vectors[:-1]) < 0.97 + 1e-3).all()
    with PlaceMap.create(tmp_path / "t.a2gc", Manifest("a" * 64, recordings.DIM)) as place_map:
        builder = _builder(place_map, Spacing(time_s=0.5))
        builder.build("t", recordings.frames(100, poses=False), session_name="t")
        stamps = np.array([k.stamp_ns for k in place_map.keyframes()])
    assert (np.diff(stamps) == 5 * 10**8).all()


@pytest.mark.slow
@pytest.mark.parametrize("poses", [True, False])
@pytest.mark.parametrize("cut", [0, 1, 7, 33, 99])
def test_a_build_that_broke_off_goes_on_to_the_same_map(tmp_path: Path, poses: bool, cut: int) -> None:
    with recordings.build(tmp_path / "whole.a2gc", 100, poses=poses) as whole:
        expected = recordings.content(whole)

    def broken() -> Iterator[object]:
        for at, frame in enumerate(recordings.frames(100, poses=poses)):
            if at == cut:
                raise BagError("the disk went away")
            yield frame

    path = tmp_path / "cut.a2gc"
    spacing = Spacing(similarity=0.97, min_interval_s=0.1)
    with PlaceMap.create(path, Manifest("a" * 64, recordings.DIM)) as place_map:
        with pytest.raises(BagError, match="went away"):
            _builder(place_map, spacing).build("made", broken(), session_name="made")
        before = len(place_map)
        result = _builder(place_map, spacing).build("made", recordings.frames(100, poses=poses), session_name="made")
        assert recordings.content(place_map) == expected
        assert result.keyframes == len(expected) >= before
        assert result.frames == 100
        assert len(place_map.sessions()) == 1
    assert threading.active_count() == 1 or not [t for t in threading.enumerate() if t.name == "map-reader"]


def test_a_finished_source_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "m.a2gc"
    with recordings.build(path, 60, poses=True) as place_map:
        expected = recordings.content(place_map)

    def unread() -> Iterator[object]:
        raise AssertionError("read again")
        yield

    with PlaceMap.open(path) as place_map:
        result = _builder(place_map, Spacing(similarity=0.97, min_interval_s=0.1)).build(
            "made", unread(), session_name="x"
        )
        assert result.resumed_from == 60
        assert recordings.content(place_map) == expected


def test_other_settings_or_another_model_are_refused(tmp_path: Path) -> None:
    with recordings.build(tmp_path / "m.a2gc", 30, poses=True) as place_map:
        with pytest.raises(MapError, match="other keyframe settings"):
            _builder(place_map, Spacing(distance_m=2.0)).build("made", [], session_name="made")
        another = recordings.MadeExtractor()
        another.spec = recordings.MadeSpec(fingerprint="b" * 64)
        with pytest.raises(MapError, match="cannot be compared"):
            MapBuilder(place_map, another, BuildPlan(Spacing()))


def test_an_empty_source_gives_an_empty_session(tmp_path: Path) -> None:
    with PlaceMap.create(tmp_path / "m.a2gc", Manifest("a" * 64, recordings.DIM)) as place_map:
        result = _builder(place_map).build("nothing", [], session_name="nothing")
        assert (result.frames, result.keyframes) == (0, 0)


def _start(path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(path), "400", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _last_stored(lines: list[str]) -> int:
    return max((int(line.split()[1]) for line in lines if line.startswith("stored")), default=0)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--poses",)], ids=["descriptor change", "poses"])
def test_kill_9_ten_times_at_random_moments(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The map opens after each kill, holds every keyframe that was reported, and ends as if nothing had happened."""
    with recordings.build(tmp_path / "whole.a2gc", 400, poses=bool(arguments)) as whole:
        expected = recordings.content(whole)
    path = tmp_path / "killed.a2gc"
    rng = random.Random(3)
    reported = 0
    for attempt in range(5):
        process = _start(path, *arguments)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        # Twice before anything is stored, when the file comes into being; then ever further on.
        lines = [process.stdout.readline() for _ in range(rng.randint(0, 5) if attempt > 1 else 0)]
        time.sleep(rng.uniform(0.0, 0.03))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        assert process.returncode == -signal.SIGKILL or "finished\n" in lines
        reported = max(reported, _last_stored(lines))
        if not path.exists():
            assert reported == 0
            continue
        with PlaceMap.open(path) as place_map:
            stored = recordings.content(place_map)
        assert len(stored) >= reported
        assert stored == expected[: len(stored)]
    process = _start(path, *arguments)
    assert process.communicate()[0].splitlines()[-1] == "finished"
    assert process.returncode == 0
    with PlaceMap.open(path) as place_map:
        assert recordings.content(place_map) == expected
        assert len(place_map.sessions()) == 1


def test_ctrl_c_leaves_a_map_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "m.a2gc"
    process = _start(path, "--poses")
    assert process.stdout is not None
    while "stored" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    rest = process.communicate()[0]
    assert process.returncode != 0
    assert "finished" not in rest
    with recordings.build(tmp_path / "whole.a2gc", 400, poses=True) as whole:
        expected = recordings.content(whole)
    with recordings.build(path, 400, poses=True) as place_map:
        assert recordings.content(place_map) == expected
