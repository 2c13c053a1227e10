"""A head set from a folder of images, without training, exported and adapted."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from a2gc_ros.adaptation.onnx_head import AdaptableModel
from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, ConfigError
from a2gc_ros.extract import open_extractor
from a2gc_ros.models import named

VLAD = "vlad-efficientnet-lite0"
"""Its backbone comes with the package."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety views along a painted wall, each beside the one before."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(0, 256, (8, 82, 3), np.uint8), (820, 80), interpolation=cv2.INTER_CUBIC)
    for at in range(90):
        cv2.imwrite(str(folder / f"{at:03d}.png"), wall[:, 8 * at : 8 * at + 96])
    return folder


def a2gc(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    if isinstance(result.exception, A2gcError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_a_folder_of_images_makes_a_head(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.onnx"
    done = json.loads(
        a2gc(
            VLAD,
            "--fit",
            photographs,
            "--size",
            "64x96",
            "--out",
            out,
            "--precision",
            "fp16",
            "--json",
        )
    )
    assert done["spec"]["name"] == f"{VLAD}@site"
    assert done["spec"]["descriptor_dim"] == 128
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted(photographs.iterdir())]
    descriptors = open_extractor(out, threads=1).extract(images)
    similarities = descriptors @ descriptors.T
    np.fill_diagonal(similarities, -1)
    # Neighbors along the wall share nine tenths of what they show.
    assert np.mean(np.abs(similarities.argmax(axis=1) - np.arange(90)) <= 2) > 0.8
    # Whitened, so that a site's statistics can be put into it.
    assert AdaptableModel(out).spec.name == f"{VLAD}@site"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("gem-mobilenetv2", "--fit", "PHOTOGRAPHS"),
            r"no head that images alone can set: take .*vlad-mobilenetv2",
        ),
        ((VLAD, "--fit", "PHOTOGRAPHS", "--dim", 270), "90 images are too few .* give 91 or more"),
        ((VLAD, "--fit", "PHOTOGRAPHS", "--untrained"), "leave --weights and --untrained out"),
        ((VLAD, "--fit", "nowhere"), "--fit: nowhere is no folder"),
        ((VLAD, "--dim", 64), "--dim belongs to --fit"),
    ],
)
def test_refusals(arguments: tuple[object, ...], words: str, photographs: Path, tmp_path: Path) -> None:
    given = [photographs if item == "PHOTOGRAPHS" else item for item in arguments]
    with pytest.raises(ConfigError, match=words):
        a2gc(*given, "--out", tmp_path / "site.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("backbone", ["dinov2-vits14", "dinov2-vitg14-reg", "resnet50", "mobilenetv2"])
def test_every_backbone_can_have_such_a_head(backbone: str) -> None:
    architecture = named(f"vlad-{backbone}").architecture
    assert architecture.aggregator == "VLAD"
    assert architecture.aggregator_options["assignment"] == "softmax"
