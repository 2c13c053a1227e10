from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ModelError
from a2gc_ros.models import MODELS


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_every_registered_model_is_listed_once():
    rows = json.loads(run("models", "list", "--json").stdout)
    assert sorted(row["name"] for row in rows) == sorted(MODELS)
    (salad,) = [row for row in rows if row["name"] == "salad-dinov2-vitb14"]
    assert salad == {
        "name": "salad-dinov2-vitb14",
        "input": "322x322",
        "resize": "squash, antialiased bilinear",
        "weights": "whole model",
        "licence": "GPL-3.0",
    }


def test_the_table_is_for_people():
    shown = run("models", "list")
    assert shown.exit_code == 0
    assert "a2gc-dinov2-vits14" in shown.stdout


def test_a_file_that_is_no_model_is_refused(tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="no whole ONNX file"):
        run("models", "info", str(file))
