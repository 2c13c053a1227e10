"""A run in the files of viewers: every keyframe, every closure, at its own stamp."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from painted_wall import SETTINGS, START_NS, STEPS

from a2gc_ros.errors import ConfigError
from a2gc_ros.replay import pipeline
from a2gc_ros.replay.pipeline import ReplayOptions, replay
from a2gc_ros.replay.records import read_queries

LAYOUT = Path(__file__).resolve().parents[2] / "config" / "replay.foxglove.json"


def options(recording: Path, model: Path, folder: Path, **changes: object) -> ReplayOptions:
    return ReplayOptions(recording, folder / "r", model=str(model), threads=1, loop=SETTINGS, **changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_foxglove_gets_its_own_schemas_at_the_stamps_of_the_run(recording: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("foxglove", reason="needs foxglove-sdk: pip install '.[foxglove]'")
    reader = pytest.importorskip("mcap.reader", reason="needs mcap: pip install mcap")
    numbers = replay(options(recording, model, tmp_path, foxglove=tmp_path / "deep" / "run.mcap"))
    queries = read_queries(tmp_path / "r" / "queries.jsonl")
    schemas, counts, stamps, told = {}, Counter(), set(), []
    with (tmp_path / "deep" / "run.mcap").open("rb") as file:
        for schema, channel, message in reader.make_reader(file).iter_messages():
            schemas[channel.topic] = schema.name
            counts[channel.topic] += 1
            stamps.add(message.log_time)
            if channel.topic == "/numbers":
                told.append(json.loads(message.data))
    assert {topic: name for topic, name in schemas.items() if topic != "/numbers"} == {
        "/camera": "foxglove.CompressedImage",
        "/camera/matches": "foxglove.ImageAnnotations",
        "/recognized": "foxglove.CompressedImage",
        "/recognized/matches": "foxglove.ImageAnnotations",
        "/pose": "foxglove.PoseInFrame",
        "/scene": "foxglove.SceneUpdate",
    }
    assert stamps == {START_NS + step * 250_000_000 for step in range(2 * STEPS)}
    assert counts["/camera"] == counts["/pose"] == counts["/scene"] == counts["/numbers"] == numbers["keyframes"]
    assert counts["/recognized"] == sum(bool(query.closures) for query in queries)
    assert max(entry.get("probability", 0) for entry in told) > 0.9
    # The layout that ships asks for these topics, and for no other.
    layout = LAYOUT.read_text()
    assert {topic for topic in schemas if f'"{topic}"' in layout or f'"{topic}.' in layout} == set(schemas)


@pytest.mark.slow
def test_rerun_gets_every_image_and_closure(recording: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="needs rerun-sdk: pip install '.[rerun]'")
    chunk = pytest.importorskip("rerun.chunk", reason="needs a rerun-sdk that reads its files")
    numbers = replay(options(recording, model, tmp_path, rerun=tmp_path / "run.rrd"))
    rows: Counter[str] = Counter()
    for part in chunk.RrdReader(str(tmp_path / "run.rrd")).stream():
        rows[part.entity_path] += part.num_rows
    assert rows["/camera/image"] == rows["/world/path"] == numbers["keyframes"]
    assert rows["/recognized/image"] == rows["/closures"] == numbers["recognized"]


def test_what_is_missing_is_said_before_the_run(
    recording: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.importlib.util, "find_spec", lambda name: None)
    for viewer, package in (("rerun", "rerun-sdk"), ("foxglove", "foxglove-sdk")):
        with pytest.raises(ConfigError, match=f"needs {package}, .* pip install '({package}|.\\[{viewer}\\])"):
            replay(options(recording, model, tmp_path, **{viewer: tmp_path / "x"}))
    assert not (tmp_path / "r").exists()
