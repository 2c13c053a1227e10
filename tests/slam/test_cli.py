"""``a2gc slam``, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from a2gc_ros.bags.pose_table import read_trajectory
from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError


@pytest.fixture(scope="module")
def wall(tmp_path_factory) -> tuple[Path, Path]:
    """A recording of two rounds along a painted wall, and a model whose descriptor is a thumbnail."""
    from painted_wall import write_drive
    from thumbnail_model import write_thumbnail_model

    folder = tmp_path_factory.mktemp("wall")
    write_drive(folder / "wall.mcap")
    write_thumbnail_model(folder / "thumbnail.onnx")
    return folder / "wall.mcap", folder / "thumbnail.onnx"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["slam", *map(str, arguments)])


@pytest.mark.slow
def test_a_recording_becomes_a_trajectory_and_a_report(wall, tmp_path):
    bag, model = wall
    out, report = tmp_path / "a.tum", tmp_path / "report"
    result = run(bag, "--model", model, "--threads", 1, "--out", out, "--report", report, "--json")
    assert result.exit_code == 0, result.output
    numbers = json.loads(result.stdout)
    assert numbers["images"] == 48
    assert numbers == json.loads((report / "numbers.json").read_text())
    # No camera_info: closures have no pose, and the graph leaves the odometry as it is.
    assert numbers["closures"] == numbers["closures_without_pose"]
    assert numbers["after"]["ate_rmse_m"] == pytest.approx(numbers["before"]["ate_rmse_m"], abs=1e-6)
    # Odometry drifts by a centimetre a step; the truth does not.
    assert 0.05 < numbers["before"]["ate_rmse_m"] < 0.3
    assert numbers["before"]["end_m"] == pytest.approx(0.47, abs=1e-6)
    trajectories = [read_trajectory(path) for path in (out, report / "after.tum", report / "before.tum")]
    for trajectory in trajectories:
        assert len(trajectory) == 48
        np.testing.assert_allclose(trajectory.positions, trajectories[0].positions, atol=1e-6)
    assert len(read_trajectory(report / "truth.tum")) == 48
    page = (report / "index.html").read_text()
    assert "error before" in page
    assert page.count("data:image/png") == 1


def test_a_sentence_for_people(wall, tmp_path):
    bag, model = wall
    result = run(bag, "--model", model, "--threads", 1, "--stop", 5, "--out", tmp_path / "a.tum")
    assert "m before" in result.stdout
    assert f"written: {tmp_path / 'a.tum'}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--odometry", ""], "has no odometry, and a pose graph needs it"),
        (["--odometry", "/nowhere"], "no topic /nowhere"),
        (["--camera-pose", "1,2,3"], "give six numbers"),
        (["--camera-pose", "a,b,c,d,e,f"], "give six numbers"),
        (["--translation-noise", 0], "translation of OdometryNoise is 0.0; it must be above zero"),
        (["--set", "treshold=0.8"], "did you mean threshold"),
        (["--truth", "/odom2"], "no topic /odom2"),
    ],
)
def test_a_mistake_is_one_sentence(wall, arguments, said):
    bag, model = wall
    result = run(bag, "--model", model, "--threads", 1, "--stop", 2, *arguments)
    assert isinstance(result.exception, A2gcError)
    assert said in str(result.exception)
