"""The commands that need an exported model."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError
from a2gc_ros.extract import open_extractor


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def test_images_and_folders_become_one_file(small, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), np.uint8)
    names = [tmp_path / "first.png", folder / "a.png", folder / "b.PNG"]
    for name, image in zip(names, images, strict=True):
        name.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    (folder / "notes.txt").write_text("not an image")
    out = tmp_path / "all.npz"
    done = run("extract", names[0], folder, "--out", out, "--model", small.file, "--backend", "onnxruntime")
    assert json.loads(done.stdout)["images"] == 3
    with np.load(out, allow_pickle=False) as found:
        assert list(found["paths"]) == [str(name) for name in names]
        assert str(found["fingerprint"]) == small.exported.spec.fingerprint
        expected = open_extractor(small.file, backend="onnxruntime").extract(list(images))
        np.testing.assert_allclose(found["descriptors"], expected, atol=2e-6)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (11, 20, 30, 3), np.uint8)):
        (folder / f"{number:02d}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return folder


@pytest.mark.slow
def test_parts_joined_are_the_file_of_one_run(small, photos, tmp_path, monkeypatch):
    of_model = "--model", small.file, "--backend", "onnxruntime"
    run("extract", photos, "--out", tmp_path / "whole.npz", *of_model)
    for task in range(12):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
        run("extract", photos, "--out", tmp_path / f"part{task}.npz", "--shard", "auto/12", *of_model)
    parts = sorted(tmp_path.glob("part*.npz"))
    run("extract", *parts, "--out", tmp_path / "joined.npz")
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "joined.npz") as joined:
        assert whole.files == joined.files
        for name in whole.files:
            np.testing.assert_array_equal(whole[name], joined[name])
    with pytest.raises(ConfigError, match="part 1 of 12 is missing"):
        run("extract", *parts[1:], "--out", tmp_path / "some.npz")
    with pytest.raises(ConfigError, match="no part"):
        run("extract", parts[0], tmp_path / "whole.npz", "--out", tmp_path / "some.npz")


def test_a_part_that_is_there_is_not_described_again(small, photos, tmp_path):
    out = tmp_path / "part.npz"
    command = "extract", photos, "--out", out, "--shard", "1/2", "--model", small.file, "--backend", "onnxruntime"
    run(*command)
    first = out.stat().st_ino
    assert "is there" in run(*command).stderr
    assert out.stat().st_ino == first
    (photos / "00.png").unlink()
    run(*command)
    assert out.stat().st_ino != first


def test_a_folder_without_images_is_refused(small, tmp_path):
    with pytest.raises(ConfigError, match="neither an image nor a folder"):
        run("extract", tmp_path, "--out", tmp_path / "x.npz", "--model", small.file)


def test_a_files_description_is_printed(small):
    told = json.loads(run("models", "info", small.file).stdout)
    assert told["fingerprint"] == small.exported.spec.fingerprint
    assert told["preprocessing"]["height"] == 56
