"""From a recording to a report, offline and through the live node."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from painted_wall import SETTINGS, STEPS
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, BagError
from a2gc_ros.replay.pipeline import ReplayOptions, replay
from a2gc_ros.viz.page_data import Fate


def options(recording: Path, model: Path, report: Path, **changes: object) -> ReplayOptions:
    return ReplayOptions(recording, report, model=str(model), threads=1, loop=SETTINGS, **changes)  # type: ignore[arg-type]


def test_offline_report_finds_the_second_round(recording: Path, model: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    numbers = replay(options(recording, model, tmp_path / "r"), lambda *counts: progress.append(counts))
    assert progress[-1] == (2 * STEPS, 2 * STEPS)
    assert numbers["mode"] == "offline"
    assert numbers["images"] == numbers["keyframes"] == 2 * STEPS
    assert numbers["precision"] == 1.0
    # Rounded once, where it is shown.
    assert numbers["recall"] == numbers["recognized"] / numbers["revisits"] > 0.8
    assert numbers["funnel"]["keyframes"] == 2 * STEPS
    assert numbers["funnel"]["given_out"] == numbers["funnel_of_revisits"]["given_out"] == numbers["recognized"]
    assert numbers["recognised"] == numbers["recognized"], "scripts read the former name"
    assert numbers["descriptor_average_precision"] > 0.9
    assert "true poses on /ground_truth/pose" in numbers["truth"]
    written = {path.name for path in (tmp_path / "r").iterdir()}
    assert written == {"index.html", "numbers.json", "queries.jsonl"}
    assert json.loads((tmp_path / "r" / "numbers.json").read_text()) == numbers
    page = (tmp_path / "r" / "index.html").read_text()
    assert "<dt>precision</dt><dd>1.000</dd>" in page
    assert {"recognized", "recognised"} & set(re.findall(r"<td>(\w+)</td>", page)) == {"recognized"}
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert len(data["keyframes"]["t"]) == len(data["album"]) == 2 * STEPS
    assert sum(fate == Fate.CLOSURE for fate in data["pairs"]["stage"]) == numbers["closures"]
    # What is drawn is what was verified.
    for number, matches in data["matches"].items():
        if data["pairs"]["stage"][int(number)] == Fate.CLOSURE:
            assert matches["inliers"] == pytest.approx(data["pairs"]["i"][int(number)], rel=0.2)
    (steps,) = [view["steps"] for view in data["views"] if "steps" in view]
    assert steps[0] == {"name": "keyframes of the run", "all": 2 * STEPS, "known": numbers["revisits"]}
    assert steps[-1]["all"] == steps[-1]["known"] == numbers["recognized"]


def test_progress_counts_what_lies_between_start_and_stop(recording: Path, model: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    replay(options(recording, model, tmp_path / "r", start=1.0, stop=4.0), lambda *counts: progress.append(counts))
    done, total = progress[-1]
    assert 1 < done < 2 * STEPS
    assert abs(total - done) <= 1


@pytest.mark.slow
def test_a_map_of_the_first_round_is_found_in_the_second(recording: Path, model: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    town = tmp_path / "wall.a2gc"
    arguments = ["map", "build", str(recording), "--out", str(town), "--model", str(model), "--distance", "0.5"]
    built = runner.invoke(app, arguments)
    assert built.exit_code == 0, built.output
    second_round = options(recording, model, tmp_path / "r", maps=(town,), start=STEPS / 4, truth=None)
    numbers = replay(second_round)
    assert numbers["keyframes"] == STEPS
    assert numbers["precision"] == 1.0
    assert numbers["recall"] > 0.8


@pytest.mark.slow
def test_the_truth_is_what_the_user_says(recording: Path, model: Path, tmp_path: Path) -> None:
    numbers = replay(options(recording, model, tmp_path / "r", truth="/odom"))
    assert numbers["truth"] == "the true poses on /odom"
    with pytest.raises(BagError, match="/nowhere"):
        replay(options(recording, model, tmp_path / "r", truth="/nowhere"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "threshold"], "has no value"),
        (["--set", "treshold=1"], "did you mean threshold?"),
        (["--set", "threshold=2"], "between -1 and 1"),
        (["--map", "nowhere.a2gc"], "nowhere.a2gc"),
        (["--topic", "/nothing"], "/nothing"),
        (["--model", "nonsense"], "nonsense"),
    ],
)
def test_mistakes_are_named(recording: Path, model: Path, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    call = ["replay", str(recording), "--report", str(tmp_path), "--model", str(model), *arguments]
    result = CliRunner().invoke(app, call)
    assert isinstance(result.exception, A2gcError)
    assert sentence in str(result.exception)


@pytest.mark.ros
@pytest.mark.slow
def test_live_and_offline_accept_the_same(recording: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")
    pytest.importorskip("a2gc_msgs.msg", reason="needs a2gc_msgs: make venv")
    numbers = replay(options(recording, model, tmp_path / "r", live=True))
    assert numbers["mode"] == "live"
    assert numbers["images"] + sum(numbers["skipped"].values()) == 2 * STEPS
    assert numbers["same_as_offline"] is True
    assert numbers["precision"] == 1.0
    assert numbers["closures"] > 0
    assert 0 < numbers["latency_ms"]["p50"] < 10_000
    assert (tmp_path / "r" / "node.log").stat().st_size > 0
