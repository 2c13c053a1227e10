"""``a2gc train`` at the prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError, DatasetError


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["train", *arguments])


@pytest.fixture
def recipe_file(tiny_recipe: dict[str, Any], tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(tiny_recipe))
    return file


def test_help_shows_examples() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "training/recipes/smoke.yaml" in result.output
    assert "--resume" in result.output


def test_the_outcome_is_a_table_or_json(recipe_file: Path, tmp_path: Path) -> None:
    shown = run(str(recipe_file), "--out", str(tmp_path / "a"))
    assert shown.exit_code == 0, shown.output
    assert f"Model: {tmp_path / 'a' / 'tiny.safetensors'}" in shown.stdout
    assert "rooms" in shown.stdout
    printed = run(str(recipe_file), "--out", str(tmp_path / "b"), "--json", "--set", "optimiser.lr=2e-3")
    assert json.loads(printed.stdout)["after"]["rooms"]["queries"] == 12
    assert yaml.safe_load((tmp_path / "b" / "recipe.yaml").read_text())["optimiser"]["lr"] == 2e-3


def test_a_run_goes_to_a_folder_of_its_name(recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(str(recipe_file)).exit_code == 0
    assert (tmp_path / "runs" / "tiny" / "tiny.safetensors").is_file()


def test_a_slip_is_one_sentence(recipe_file: Path) -> None:
    result = run(str(recipe_file), "--set", "optimiser.learning_rate=1")
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("The recipe entry `optimiser.learning_rate` is unknown")


def test_an_image_that_breaks_in_a_reading_process_is_one_sentence(
    recipe_file: Path, place_folders: Path, tmp_path: Path
) -> None:
    broken = place_folders / "north" / "yard" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    source = json.dumps([{"kind": "folder", "root": str(place_folders)}])
    options = (f"train={source}", "trainer.workers=1", "sampling.places_per_batch=3", "sampling.images_per_place=3")
    result = run(
        str(recipe_file), "--out", str(tmp_path / "run"), *(word for option in options for word in ("--set", option))
    )
    assert isinstance(result.exception, DatasetError)
    assert str(broken) in str(result.exception)
    assert "\n" not in str(result.exception)
    assert "Traceback" not in str(result.exception)
