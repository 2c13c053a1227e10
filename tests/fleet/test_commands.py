"""The commands of a fleet, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError, FleetError
from a2gc_ros.extract import open_extractor
from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap

from .conftest import content


def a2gc(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_push_pull_and_locate(url: str, tmp_path: Path) -> None:
    extractor = open_extractor("a2gc-efficientnet-lite0", threads=1)
    rng = np.random.default_rng(0)
    pictures = [cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (160, 120)) for _ in range(4)]
    spec, town, out = extractor.spec, tmp_path / "town.a2gc", tmp_path / "out.a2gc"
    with PlaceMap.create(town, Manifest(spec.fingerprint, spec.descriptor_dim, spec.name)) as place_map:
        session = place_map.add_session("morning")
        descriptors = extractor.extract(pictures)
        place_map.add_many(session.id, [NewKeyframe(at * 10**9, row) for at, row in enumerate(descriptors)])
    assert a2gc("fleet", "init", url) == "the tables are as they should be\n"
    assert "4 of 4 keyframes in 1 sessions were sent" in a2gc("map", "push", town, "--to", url, "--site", "north")
    assert json.loads(a2gc("map", "push", town, "--to", url, "--site", "north", "--json"))["sent"] == 0
    assert "the index is built" in a2gc("fleet", "index", url, spec.fingerprint)
    pull: tuple[Any, ...] = ("map", "pull", "--from", url, "--out", out)
    assert json.loads(a2gc(*pull, "--site", "north", "--since", "1970-01-01T00:00:02", "--json"))["keyframes"] == 2
    assert "2 keyframes came" in a2gc(*pull, "--session", "morning", "--model", spec.name)
    (theirs,), (ours,) = content(out).values(), content(town).values()
    assert sorted(theirs) == sorted(ours)
    picture = tmp_path / "door.png"
    cv2.imwrite(str(picture), cv2.cvtColor(pictures[2], cv2.COLOR_RGB2BGR))
    found = json.loads(a2gc("map", "locate", picture, "--from", url, "-k", 2, "--json"))
    assert [found[0]["stamp_ns"], found[0]["site"], found[0]["session_name"]] == [2 * 10**9, "north", "morning"]
    assert found[0]["similarity"] == pytest.approx(1, abs=0.01)
    assert "morning" in a2gc("map", "locate", picture, "--from", url)
    with pytest.raises(ConfigError, match="cannot be read"):
        a2gc("map", "locate", tmp_path / "none.jpg", "--from", url)
    with pytest.raises(FleetError, match="no keyframes like these"):
        a2gc(*pull, "--area", "0,0,1,1")


@pytest.mark.parametrize(
    "option",
    [("--since", "yesterday"), ("--area", "1,2,3"), ("--area", "a,b,c,d"), ("--area", "5,0,1,1")],
    ids=" ".join,
)
def test_what_makes_no_sense_is_told(option: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=option[0]):
        a2gc("map", "pull", "--from", "postgresql://nobody", "--out", tmp_path / "x.a2gc", *option)
