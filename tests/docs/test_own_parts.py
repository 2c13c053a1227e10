"""The guide's file with a backbone, an aggregator, a loss and a data set of one's own, and its recipe, as printed."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError, ModelError

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(importlib.util.find_spec("a2gc_training") is None, reason="needs a2gc_training")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader has written the two files, and has a few pictures."""
    from miniature import write_picture

    from a2gc_ros.models import own_code

    text = (REPOSITORY / "docs" / "train.md").read_text(encoding="utf-8")
    guide = text[text.index("## Your own backbone") :]
    for name, fence in (("my_parts.py", "python"), ("mine.yaml", "yaml")):
        found = re.search(rf"^```{fence}\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
        assert found
        (tmp_path / name).write_text(found[1])
    for root, places in (("walls", range(6)), ("walls_held_out", range(6, 9))):
        for place in places:
            for view in range(2):
                write_picture(tmp_path / root / f"{place}_{view}.jpg", place)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_code, "_declared", {})
    monkeypatch.setattr(own_code, "_folders", [])
    monkeypatch.delitem(sys.modules, "my_parts", raising=False)
    yield tmp_path
    sys.modules.pop("my_parts", None)


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_the_guide_trains_and_its_file_opens_where_its_module_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from a2gc_ros.models import own_code
    from a2gc_ros.models.checkpoints.released import read_model

    summary = json.loads(run("train", "mine.yaml", "--json").stdout)
    assert summary["after"]["held_out"]["queries"] == 6
    trained = folder / "runs" / "mine" / "mine.safetensors"
    # Another person, who has named nothing: the file alone runs no code.
    monkeypatch.setattr(own_code, "_declared", {})
    monkeypatch.setattr(own_code, "_folders", [])
    with pytest.raises(ModelError, match="A2GC_MODULES=my_parts"):
        read_model(trained)
    monkeypatch.setenv("A2GC_MODULES", "my_parts")
    model, _ = read_model(trained)
    assert (model.name, model.descriptor_dim) == ("meanpool-smallnet", 16)
    assert type(model.backbone).__name__ == "SmallNet"
    images = np.zeros((1, 48, 64, 3), np.uint8)
    import torch

    assert model(model.normalize(torch.from_numpy(images))).norm().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("model.aggregator=my_parts.MeanPol", "has no 'MeanPol'; it has .*MeanPool"),
        ("model.aggregator=their_parts.MeanPool", r"There is no their_parts\.py in"),
        ("model.aggregator=my_parts.SmallNet", "is no aggregator: derive the class from"),
        ("model.aggregator=broken.Pool", r"broken\.py cannot be imported \(NameError"),
        ("model.aggregator=json.Pool", r"json\.py bears the name of another module"),
        ("model.options={dim: 16, width: 8, depth: 2}", "no option 'depth'; it takes .*dim.*width"),
        ("loss.name=my_parts.Pair", "has no 'Pair'"),
        ("train.0.options={folder: walls}", "does not take"),
        ("train.0.code=my_parts.SmallNet", "gives a SmallNet; it must return an ImageTable"),
    ],
)
def test_mistakes_are_said_in_a_sentence(change: str, sentence: str, folder: Path) -> None:
    (folder / "broken.py").write_text("Pool = undefined\n")
    (folder / "json.py").write_text("Pool = 1\n")
    options = ["--set", "train.0.options={}"] if change.startswith("train.0.code") else []
    with pytest.raises((ConfigError, ModelError), match=sentence):
        run("train", "mine.yaml", "--out", "x", "--set", change, *options)


def test_parts_are_rehearsed_too(folder: Path) -> None:
    assert run("train", "mine.yaml", "--dev").exit_code == 0
