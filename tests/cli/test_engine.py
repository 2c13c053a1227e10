"""What ``a2gc engine`` says of engines that are there, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, BackendError, ConfigError, ModelError
from a2gc_ros.extract.engines.cache import EngineCache
from a2gc_ros.extract.engines.key import EngineKey

KEY = EngineKey("town", "ab" * 32, "fp16", "tensorrt", "10.7.0", "Orin", "8.7")


def run(*arguments):
    return CliRunner().invoke(app, ["engine", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def engine(tmp_path) -> Path:
    return EngineCache(tmp_path).obtain(KEY, lambda: b"engine" * 1000, len).path


def test_engines_are_listed(engine):
    told = run("info", "--cache", engine.parent).stdout
    for word in ("town", "fp16", "Orin", "whole", "5.9"):
        assert word in told
    (row,) = json.loads(run("info", "--cache", engine.parent, "--json").stdout)
    assert row == json.loads(run("info", engine, "--json").stdout)[0]
    assert row["path"] == str(engine)
    assert (row["gpu"], row["version"], row["size"], row["dla_core"]) == ("Orin", "10.7.0", 6000, -1)


def test_a_damaged_engine_is_listed_as_such(engine):
    engine.write_bytes(engine.read_bytes()[:-1])
    (row,) = json.loads(run("info", "--cache", engine.parent, "--json").stdout)
    assert row == {"path": str(engine), "state": "it is damaged or cut off"}
    assert "damaged" in run("info", "--cache", engine.parent).stdout


def test_an_empty_cache_is_no_error(tmp_path):
    assert "There are no engines in" in run("info", "--cache", tmp_path / "none").stdout
    assert json.loads(run("info", "--cache", tmp_path, "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("build", "no-such-model"), ModelError, "no ONNX file and no model that ships"),
        (
            ("build", "a2gc-efficientnet-lite0", "--backend", "openvino"),
            ConfigError,
            "choose auto, tensorrt or tensorrt-rtx",
        ),
        (("build", "a2gc-efficientnet-lite0", "--precision", "fp8"), ConfigError, "choose auto, fp32"),
        (("build", "a2gc-efficientnet-lite0", "--precision", "int8"), BackendError, "not quantized"),
        (("build", "a2gc-efficientnet-lite0", "--dla-core", "-2"), ConfigError, "dla_core is -2"),
        (
            ("build", "a2gc-efficientnet-lite0"),
            BackendError,
            r"tensorrt is not usable here .*tensorrt-rtx is not usable here",
        ),
        (
            ("build", "a2gc-efficientnet-lite0", "--backend", "tensorrt"),
            BackendError,
            r"TensorRT itself comes with JetPack",
        ),
        (("info", "/no/such.engine"), ConfigError, "is no file"),
    ],
)
def test_what_cannot_be_done_is_refused(monkeypatch, arguments, error: type[A2gcError], words):
    for package in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(error, match=words):
        run(*arguments)


@pytest.mark.parametrize("verb", ["build", "info"])
def test_help_has_examples(verb):
    assert f"a2gc engine {verb}" in run(verb, "--help").stdout
