"""``a2gc adapt`` from a recording, a folder and a map, as a user types it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from tiny_models import walk
from typer.testing import CliRunner

from a2gc_ros import geometry
from a2gc_ros.adaptation import adapt as adapting
from a2gc_ros.adaptation.judging import Judgement
from a2gc_ros.bags import RecordingWriter
from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, ConfigError, ModelError
from a2gc_ros.evaluation.recall import Interval
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.onnx_files.metadata import read_spec

COUNT = 120


def a2gc(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(result.exception, A2gcError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest, model: Callable[..., Path]) -> Path:
    """A walk of two minutes as a recording, a folder or a map; its JPEGs are all but lossless."""
    images = walk(COUNT)
    if request.param == "folder":
        (tmp_path / "walk").mkdir()
        for at, image in enumerate(images):
            cv2.imwrite(str(tmp_path / "walk" / f"{at:03d}.png"), image[..., ::-1])
        (tmp_path / "walk" / "empty.png").touch()
        return tmp_path / "walk"
    path = tmp_path / "walk.mcap"
    with RecordingWriter(path) as writer:
        for at, image in enumerate(images):
            writer.add_odometry(10**9 * (1 + at), geometry.pose_from_xy_yaw(at, 0, 0))
            writer.add_image(10**9 * (1 + at), image)
    if request.param == "recording":
        return path
    out = tmp_path / "walk.a2gc"
    a2gc("map", "build", path, "--out", out, "--model", model(), "--distance", 0.5, "--features", "none")
    return out


@pytest.mark.parametrize("site", ["recording", "folder", "map"], indirect=True)
def test_a_site_becomes_a_model(site: Path, tmp_path: Path, model: Callable[..., Path]) -> None:
    out = tmp_path / "site.onnx"
    done = json.loads(a2gc("adapt", site, "--out", out, "--model", model(), "--threads", 1, "--json"))
    assert done["images"] == COUNT
    assert 20 <= done["distinct_images"] <= COUNT
    assert done["fingerprint"] == read_spec(out).fingerprint
    assert done["judgement"]["queries"] > 100
    info = json.loads(a2gc("models", "info", out))
    assert info["adapted"]["source"] == site.name
    assert info["adapted"]["model"] == "tiny"
    assert str(site.parent) not in json.dumps(info)
    images = walk(COUNT)
    assert open_extractor(out).extract(images).shape == (COUNT, 40)


@pytest.mark.parametrize("site", ["map"], indirect=True)
def test_words_for_people_and_a_map_described_anew(
    site: Path,
    tmp_path: Path,
    model: Callable[..., Path],
) -> None:
    out = tmp_path / "site.onnx"
    said = a2gc("adapt", site, "--out", out, "--model", model(), "--limit", 60)
    assert "distinct images of 60" in said
    assert "none of them used" in said
    assert "what this shows" in said
    a2gc("map", "redescribe", site, "--model", out, "--out", tmp_path / "new.a2gc")
    assert json.loads(a2gc("map", "info", tmp_path / "new.a2gc", "--json"))["model"] == "tiny@site"


def test_refusals(tmp_path: Path, model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "few", tmp_path / "site.onnx"
    folder.mkdir()
    with pytest.raises(ConfigError, match="neither a recording, nor a place map, nor a folder of"):
        a2gc("adapt", folder, "--out", out, "--model", model())
    with pytest.raises(ConfigError, match="neither a recording"):
        a2gc("adapt", tmp_path / "nothing", "--out", out, "--model", model())
    for at, image in enumerate(walk(19)):
        cv2.imwrite(str(folder / f"{at}.png"), image)
    with pytest.raises(ConfigError, match="distinct images are too few"):
        a2gc("adapt", folder, "--out", out, "--model", model())
    with pytest.raises(ModelError, match="neither a model that ships nor an ONNX file"):
        a2gc("adapt", folder, "--out", out, "--model", "gem-resnet18")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"needs the Python package onnx, .* pip install 'onnx>="):
        a2gc("adapt", folder, "--out", out, "--model", model())
    assert not out.exists()


@pytest.mark.parametrize("site", ["folder"], indirect=True)
def test_what_would_be_worse_is_not_written(
    site: Path,
    tmp_path: Path,
    model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worse = Judgement("by decree", 50, Interval(0.9, 0.8, 1), Interval(0.5, 0.4, 0.6), Interval(-0.4, -0.5, -0.3))
    monkeypatch.setattr(adapting, "judge", lambda *_: worse)
    out = tmp_path / "site.onnx"
    with pytest.raises(ModelError, match=r"makes it worse .*0\.900 .* before, 0\.500 .* was not written"):
        a2gc("adapt", site, "--out", out, "--model", model())
    assert not out.exists()
    assert "(worse)" in a2gc("adapt", site, "--out", out, "--model", model(), "--allow-drop")
    assert out.exists()


@pytest.mark.parametrize(("step_ns", "images"), [(5 * 10**7, 50), (7 * 10**7, 50)])
def test_a_recording_is_looked_at_evenly(step_ns: int, images: int, tmp_path: Path, model: Callable[..., Path]) -> None:
    """A camera gives more images than the place changes; five a second are looked at, whatever its rate."""
    path = tmp_path / "fast.mcap"
    with RecordingWriter(path) as writer:
        scenes = walk(40)
        for at in range(10**10 // step_ns):
            writer.add_image(10**9 + at * step_ns, scenes[at * step_ns * 40 // 10**10])
    arguments = ("adapt", path, "--out", tmp_path / "s.onnx", "--model", model(), "--json")
    assert json.loads(a2gc(*arguments))["images"] == images
    assert json.loads(a2gc(*arguments, "--limit", 35))["images"] in (35, 36)
