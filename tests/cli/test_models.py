from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ModelError
from a2gc_ros.models import MODELS, build


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


def test_a_published_checkpoint_says_what_it_is(tmp_path):
    torch.manual_seed(0)
    model = build("salad-dinov2-vits14", depth=1, clusters=4, cluster_dim=8, token_dim=16, hidden=32)
    names = {name.replace("backbone.", "backbone.model.", 1): tensor for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": names}, tmp_path / "theirs.ckpt")
    told = json.loads(run("models", "info", str(tmp_path / "theirs.ckpt")).stdout)
    assert (told["name"], told["descriptor_dim"], told["licence"]) == ("salad-dinov2-vits14", 48, "GPL-3.0")
    assert (told["backbone"], told["aggregator"]) == ("dinov2", "SALAD")
    assert told["aggregator_options"] == {"clusters": 4, "cluster_dim": 8, "token_dim": 16, "hidden": 32}


def test_weights_on_a_web_page_say_which():
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json").stdout)}
    assert rows["mixvpr-resnet50-4096"]["weights"] == "whole model, from https://github.com/amaralibey/MixVPR"
