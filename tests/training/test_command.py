"""``a2gc train`` at the prompt."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
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
    printed = run(str(recipe_file), "--out", str(tmp_path / "b"), "--json", "--set", "optimizer.lr=2e-3")
    assert json.loads(printed.stdout)["after"]["rooms"]["queries"] == 12
    assert yaml.safe_load((tmp_path / "b" / "recipe.yaml").read_text())["optimizer"]["lr"] == 2e-3


def test_a_run_goes_to_a_folder_of_its_name(recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(str(recipe_file)).exit_code == 0
    assert (tmp_path / "runs" / "tiny" / "tiny.safetensors").is_file()


@pytest.mark.slow
def test_an_interrupted_run_can_be_resumed(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = [str(recipe_file), "--out", str(out), "--set"]
    command = [str(Path(sys.executable).with_name("a2gc")), "train", *arguments, "trainer.epochs=1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            for _ in range(1200):
                if (out / "checkpoints" / "last.ckpt").exists() or process.poll() is not None:
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "--resume" in errors
    done = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)["epoch"]
    result = run(*arguments, f"trainer.epochs={done + 2}", "--resume")
    assert result.exit_code == 0, result.output
    assert torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == done + 1


def test_a_slip_is_one_sentence(recipe_file: Path) -> None:
    result = run(str(recipe_file), "--set", "optimizer.learning_rate=1")
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("The recipe entry `optimizer.learning_rate` is unknown")


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
