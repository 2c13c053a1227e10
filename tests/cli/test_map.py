"""``a2gc map`` from a recording to an export, as a user types it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from a2gc_ros import geometry
from a2gc_ros.bags import RecordingWriter
from a2gc_ros.cli.base.system_errors import told
from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, BagError, MapError
from a2gc_ros.extract.onnx_files.metadata import describe, read_spec
from a2gc_ros.placemap import Manifest, PlaceMap


@pytest.fixture(scope="module")
def model(thumbnail_model: Path) -> Path:
    return thumbnail_model


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images along a line, half a metre and a tenth of a second apart, with odometry."""
    path = tmp_path_factory.mktemp("bags") / "morning.mcap"
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (12, 60, 3), dtype=np.uint8), (1200, 240), interpolation=cv2.INTER_CUBIC)
    with RecordingWriter(path) as writer:
        for at in range(40):
            stamp = 10**9 + at * 10**8
            writer.add_odometry(stamp, geometry.pose_from_xy_yaw(0.5 * at, 0, 0))
            writer.add_image(stamp, np.ascontiguousarray(scene[:, 20 * at : 20 * at + 320]), jpeg_quality=90)
    return path


def a2gc(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["map", *map(str, arguments)])
    if isinstance(result.exception, A2gcError | OSError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, recording: Path, model: Path) -> Path:
    out = tmp_path_factory.mktemp("maps") / "town.a2gc"
    result = a2gc("build", recording, "--out", out, "--model", model, "--distance", 1, "--threads", 1)
    assert "20 keyframes of 40 images" in result.output
    return out


def test_features_are_kept_as_asked(tmp_path: Path, recording: Path, model: Path) -> None:
    arguments = ("--model", model, "--stop", 1, "--threads", 1)
    a2gc("build", recording, "--out", tmp_path / "bare.a2gc", "--features", "none", *arguments)
    with PlaceMap.open(tmp_path / "bare.a2gc", read_only=True) as place_map:
        assert place_map.features(1) is None
    with pytest.raises(MapError, match="features is 'surf', it must be one of sift, corners, orb, none"):
        a2gc("build", recording, "--out", tmp_path / "x.a2gc", "--features", "surf", *arguments)


def test_brackets_in_a_name_are_shown(tmp_path: Path, recording: Path, model: Path) -> None:
    named = tmp_path / "lap [north].mcap"
    shutil.copy(recording, named)
    a2gc("build", named, "--out", tmp_path / "x.a2gc", "--model", model, "--stop", 1, "--threads", 1)
    assert "lap [north]" in a2gc("info", tmp_path / "x.a2gc").output
    assert "travelled [m]" in a2gc("list", tmp_path / "x.a2gc").output
    shown = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["bag", "info", str(named)])
    assert "lap [north].mcap: " in shown.output


def test_brackets_in_a_topic_are_shown(tmp_path: Path) -> None:
    strange = tmp_path / "strange.bag"
    with RecordingWriter(strange) as writer:
        writer.add_pose(1, np.eye(4), topic="/cam[/x]/pose")
    shown = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["bag", "info", str(strange)], catch_exceptions=False)
    assert "/cam[/x]/pose" in shown.output


def test_a_session_that_is_not_there_has_no_list(town: Path) -> None:
    with pytest.raises(MapError, match="has no session 9: `a2gc map info` lists them"):
        a2gc("list", town, "--session", 9)


def test_a_built_map_holds_the_recording(town: Path) -> None:
    with PlaceMap.open(town, read_only=True) as place_map:
        keyframes = place_map.keyframes()
        assert [k.stamp_ns for k in keyframes] == [10**9 + 2 * at * 10**8 for at in range(20)]
        assert keyframes[-1].path_length == pytest.approx(19)
        assert all(place_map.image(k.id) for k in keyframes)
        assert all((blob := place_map.features(k.id)) is not None and blob.kind == "rootsift/3" for k in keyframes)
        assert place_map.manifest.settings["spacing"]["distance_m"] == 1.0
        assert place_map.sessions()[0].name == "morning"


def test_a_part_of_a_recording_becomes_a_session_of_its_own(recording: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "part.a2gc"
    for part in (("--start", 1.0, "--stop", 2.0), ("--start", 2.0)):
        a2gc("build", recording, "--out", out, "--model", model, "--distance", 1, "--threads", 1, *part)
    with PlaceMap.open(out, read_only=True) as place_map:
        first, second = ([k.stamp_ns for k in place_map.keyframes(s.id)] for s in place_map.sessions())
    assert first == [2 * 10**9 + 2 * at * 10**8 for at in range(5)]
    assert second == [3 * 10**9 + 2 * at * 10**8 for at in range(10)]


def test_building_again_adds_nothing(town: Path, recording: Path, model: Path) -> None:
    result = a2gc("build", recording, "--out", town, "--model", model, "--distance", 1, "--json")
    (summary,) = json.loads(result.stdout)["recordings"]
    assert summary["resumed_from"] == summary["frames"] == 40
    assert summary["keyframes"] == 20
    with pytest.raises(MapError, match="other keyframe settings"):
        a2gc("build", recording, "--out", town, "--model", model, "--distance", 2)


def test_info_and_list(town: Path) -> None:
    info = json.loads(a2gc("info", town, "--json").stdout)
    assert info["keyframes"] == 20
    assert info["sessions"][0]["travelled_m"] == pytest.approx(19)
    assert info["sessions"][0]["seconds"] == pytest.approx(3.8)
    assert "20 keyframes" in a2gc("info", town).output
    listed = json.loads(a2gc("list", town, "--json").stdout)
    assert listed[3]["position_m"] == pytest.approx([3, 0, 0])
    assert "2.00, 0.00, 0.00" in a2gc("list", town, "--session", 1).output


def test_show_writes_the_image_and_names_neighbours(town: Path, tmp_path: Path) -> None:
    out = tmp_path / "7.jpg"
    shown = json.loads(a2gc("show", town, 7, "--out", out, "--neighbours", 4, "--json").stdout)
    assert cv2.imread(str(out)).shape == (240, 320, 3)
    assert len(shown["neighbours"]) == 4
    with PlaceMap.open(town, read_only=True) as place_map:
        vectors = place_map.descriptors(range(1, 21))
    cosines = vectors @ vectors[6]
    cosines[6] = -1
    # A model that learnt nothing finds everything alike: equal similarities may come in any order.
    best = np.sort(cosines)[:-5:-1]
    np.testing.assert_allclose([n["similarity"] for n in shown["neighbours"]], best, atol=1e-4)
    np.testing.assert_allclose([cosines[n["keyframe_id"] - 1] for n in shown["neighbours"]], best, atol=1e-4)
    assert "keyframe 7" in a2gc("show", town, 7).output
    with pytest.raises(MapError, match="no keyframe 77"):
        a2gc("show", town, 77)


def test_merge_and_export(town: Path, tmp_path: Path) -> None:
    both, again, once = (tmp_path / name for name in ("both.a2gc", "again.a2gc", "once.a2gc"))
    shutil.copy(town, again)
    assert "20 keyframes in 1 sessions" in a2gc("merge", town, again, "--out", once).output
    with sqlite3.connect(again) as connection:
        connection.execute("UPDATE sessions SET uuid = 'that of another run over the same way'")
    assert "40 keyframes in 2 sessions" in a2gc("merge", town, again, "--out", both).output
    a2gc("export", both, "--out", tmp_path / "both.npz")
    with np.load(tmp_path / "both.npz") as arrays:
        np.testing.assert_array_equal(arrays["descriptor"][:20], arrays["descriptor"][20:])
    a2gc("export", both, "--out", tmp_path / "both.csv")
    assert len((tmp_path / "both.csv").read_text().splitlines()) == 41


def test_old_sessions_are_thinned(town: Path, tmp_path: Path) -> None:
    two, again, thin = (tmp_path / name for name in ("two.a2gc", "again.a2gc", "thin.a2gc"))
    shutil.copy(town, again)
    with sqlite3.connect(again) as connection:
        connection.execute("UPDATE sessions SET uuid = 'a year later'")
        connection.execute("UPDATE keyframes SET stamp_ns = stamp_ns + 31536000000000000")
    a2gc("merge", town, again, "--out", two)
    done = json.loads(a2gc("prune", two, "--distance", 4, "--out", thin, "--json").output)
    assert done["left_behind"] > 5
    with PlaceMap.open(thin, read_only=True) as thinned:
        assert [thinned.count(session.id) for session in thinned.sessions()] == [20 - done["left_behind"], 20]
    with pytest.raises(MapError, match="exists already"):
        a2gc("prune", two, "--out", thin)


def test_a_map_redescribed_from_its_recording_is_the_one_built_with_that_model(
    town: Path, recording: Path, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.onnx"
    # The same network under another name and identity.
    spec = replace(read_spec(model), name="other", fingerprint="b" * 64)
    other.write_bytes(describe(model.read_bytes(), spec))
    arguments = ("redescribe", town, "--model", other, "--threads", 1, "--json")
    moved = recording.with_name("renamed.mcap")
    moved.symlink_to(recording)
    done = json.loads(a2gc(*arguments, "--recording", moved, "--out", tmp_path / "a.a2gc").stdout)
    assert (done["recorded"], done["stored"], done["model"]) == (20, 0, "other")
    done = json.loads(a2gc(*arguments, "--out", tmp_path / "b.a2gc").stdout)
    assert (done["recorded"], done["stored"]) == (0, 20)
    found = {}
    for path in (town, tmp_path / "a.a2gc", tmp_path / "b.a2gc"):
        with PlaceMap.open(path, read_only=True) as place_map, place_map.reading() as connection:
            found[path.stem] = place_map.descriptors(range(1, 21))
            # Looked for, though this short run has none.
            assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'impostors'").fetchone()
    np.testing.assert_allclose(found["a"], found["town"], atol=1e-3)
    assert (found["b"] * found["town"]).sum(1).min() > 0.999
    foreign = tmp_path / "foreign.mcap"
    foreign.write_bytes(b"another")
    with pytest.raises(MapError, match=r"no session of .* comes from .*foreign"):
        a2gc(*arguments, "--recording", foreign, "--out", tmp_path / "c.a2gc")


def test_poses_may_come_from_a_file(recording: Path, model: Path, tmp_path: Path) -> None:
    trajectory = tmp_path / "walk.tum"
    trajectory.write_text("".join(f"{1 + at / 10} {2.0 * at} 0 0 0 0 0 1\n" for at in range(40)))
    out = tmp_path / "walk.a2gc"
    built = a2gc("build", recording, "--out", out, "--model", model, "--trajectory", trajectory, "--json")
    assert json.loads(built.stdout)["recordings"][0]["keyframes"] == 40
    without = a2gc("build", recording, "--out", tmp_path / "n.a2gc", "--model", model, "--odometry", "", "--time", 1)
    assert "4 keyframes of 40 images" in without.output


def test_a_wrong_topic_begins_no_map(recording: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(BagError, match="/nothing"):
        a2gc("build", recording, "--out", tmp_path / "x.a2gc", "--model", model, "--topic", "/nothing")
    assert not list(tmp_path.iterdir())


def test_a_recording_without_one_usable_image_begins_no_map(tmp_path: Path, model: Path) -> None:
    with RecordingWriter(tmp_path / "dark.mcap") as writer:
        for second in (1, 2, 3):
            writer.add_encoded_image(second * 10**9, b"no picture", "jpeg")
    with pytest.raises(BagError, match=r"no usable image on /camera/image_raw/compressed .*neither JPEG nor PNG"):
        a2gc("build", tmp_path / "dark.mcap", "--out", tmp_path / "dark.a2gc", "--model", model)
    assert [path.name for path in tmp_path.iterdir()] == ["dark.mcap"]


def test_a_map_goes_on_where_a_second_recording_is_of_no_use(tmp_path: Path, recording: Path, model: Path) -> None:
    dark, out = tmp_path / "dark.mcap", tmp_path / "town.a2gc"
    with RecordingWriter(dark) as writer:
        writer.add_encoded_image(10**9, b"no picture", "jpeg")
    with pytest.raises(BagError, match="no usable image"):
        a2gc("build", recording, dark, "--out", out, "--model", model)
    with PlaceMap.open(out, read_only=True) as place_map, place_map.reading() as rows:
        assert len(place_map) > 0
        finished = dict(rows.execute("SELECT session_id, finished FROM progress"))
    assert sorted(finished.values()) == [0, 1]


def test_an_empty_map_exports_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.a2gc"
    PlaceMap.create(path, Manifest("f" * 64, 8, "test")).close()
    with pytest.raises(MapError, match="nothing to export"):
        a2gc("export", path, "--out", tmp_path / "out.csv")


def test_a_map_that_another_program_writes_is_not_built_on(town: Path, recording: Path, model: Path) -> None:
    with PlaceMap.open(town, read_only=True) as reader:
        before = len(reader)
    with PlaceMap.open(town), pytest.raises(MapError, match=r"is busy: .*\(process \d+ on .*\) writes to it"):
        a2gc("build", recording, "--out", town, "--model", model, "--start", 1, "--threads", 1)
    with PlaceMap.open(town, read_only=True) as again:
        assert len(again) == before


def test_help_shows_examples() -> None:
    for verb in ("build", "info", "list", "show", "merge", "export", "redescribe", "calibrate"):
        assert "a2gc map" in a2gc(verb, "--help").output


def test_view_writes_a_page_beside_the_map_or_where_it_is_told(town: Path, tmp_path: Path) -> None:
    there = tmp_path / "pages" / "town.html"
    assert json.loads(a2gc("view", town, "--html", there, "--gap", 1, "--json").stdout)["page"] == str(there)
    assert town.name in there.read_text()
    copied = tmp_path / town.name
    shutil.copy(town, copied)
    assert f"{copied.with_suffix('.html')}: " in a2gc("view", copied).stdout
    with pytest.raises(FileExistsError) as refused:
        a2gc("view", copied, "--html", copied / "page.html")
    assert told(refused.value) == (f"{copied}: File exists: choose another name, or remove what is there", 2)
