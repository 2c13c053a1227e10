"""Commands that the pages on training, evaluating and looking only show, because they need data of the reader's own.

Blocks fenced as ``console`` are run page by page and in order on stand-ins: rendered rooms for photographs and bags,
miniatures for benchmarks, small networks for large ones. What needs GSV-Cities is rehearsed.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app

REPOSITORY = Path(__file__).resolve().parents[2]

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SMALL = {
    "model.image_size": "[48, 64]",
    "model.options": "{clusters: 4, cluster_dim: 8, token_dim: 8}",
    "initialize.images": "40",
    "sampling.places_per_batch": "3",
    "trainer.epochs": "1",
    "trainer.workers": "0",
    "trainer.accelerator": "cpu",
    "trainer.devices": "1",
}
"""What makes a recipe for photographs one for seconds."""

VLAD = {"model.options": "{clusters: 4, cluster_dim: 8, descriptor_dim: 16}"}

OF_RECIPE = {
    "places": VLAD,
    "distil": VLAD | {"distillation.teacher": "megaloc.onnx"},
    "bags": VLAD
    | {
        "train.0.metres": "0.2",
        "train.0.same": "{kind: view, metres: 0.6, overlap: 0.3, reach: 1.0}",
        "validation.0.source.metres": "0.2",
        "initialize.images": "12",
        "initialize.views": "2",
    },
}
"""What some need besides: a teacher that is not downloaded, and what the same place is in a small room."""

pytestmark = [
    pytest.mark.slow,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs {name}")
        for name in ("a2gc_training", "onnx", "matplotlib")
    ),
]


def shown(page: str) -> list[list[str]]:
    """The arguments of every a2gc command of a page's console blocks, as if typed."""
    text = "\n".join(CONSOLE.findall((REPOSITORY / "docs" / page).read_text(encoding="utf-8")))
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found = [re.sub(r"^(\$ )?(srun )?", "", line) for line in lines]
    return [shlex.split(line)[1:] for line in found if line.startswith("a2gc ")]


def made_smaller(arguments: list[str]) -> list[str]:
    """The same command for stand-ins; only trainings need to be told."""
    if arguments[0] != "train":
        return arguments
    if "gsv_cities" in arguments[1]:
        return [*arguments, "--dev"]
    changes = SMALL | OF_RECIPE.get(Path(arguments[1]).stem, {})
    # A folder of its own, as a reader who tries one command after the other would need.
    out = [] if "bags" in arguments[1] else ["--out", f"runs/{len(list(Path('runs').iterdir()))}"]
    return [*arguments, *out, *(word for key, value in changes.items() for word in ("--set", f"{key}={value}"))]


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that the pages name."""
    import torch
    from drives import drive_round
    from miniature import CASES, utm_folders, write_picture
    from thumbnail_model import write_thumbnail_model

    from a2gc_ros.models import build, checkpoints

    (tmp_path / "training").symlink_to(REPOSITORY / "training")
    for name in ("salad.onnx", "megaloc.onnx", "town.onnx", "a.onnx", "b.onnx"):
        write_thumbnail_model(tmp_path / name, seed=len(name))
    salad = build("salad-dinov2-vits14", depth=1, clusters=4, cluster_dim=8, token_dim=8, hidden=8)
    names = {name.replace("backbone.", "backbone.model.", 1): tensor for name, tensor in salad.state_dict().items()}
    torch.save(names, tmp_path / "dino_salad.ckpt")
    trained = tmp_path / "runs" / "a2gc-dinov2-vitb14" / "a2gc-dinov2-vitb14.safetensors"
    trained.parent.mkdir(parents=True)
    checkpoints.save(build("a2gc-mobilenetv2", image_size=(48, 64), clusters=4, cluster_dim=8, token_dim=8), trained)
    for root, places in (("places", range(12)), ("places_held_out", range(12, 16))):
        for place, view in product(places, range(4)):
            write_picture(tmp_path / root / f"{place}" / f"{view}.jpg", 4 * place + view)
    for number, day in enumerate(("monday", "tuesday", "friday", "mapping", "query")):
        drive_round(tmp_path / f"{day}.mcap", seed=number // 3, radius=1.5 + 0.1 * number)
    drive_round(tmp_path / "patrol.mcap", step_ms=1000)
    utm_folders(tmp_path, "map_photos", "new_photos")
    photographs = sorted(path for folder in ("map_photos", "new_photos") for path in (tmp_path / folder).iterdir())
    positions = [f"{path.name},{path.name.split('@')[1]},0" for path in photographs]
    (tmp_path / "positions.csv").write_text("\n".join(["image,x,y", *positions]))
    for name in ("pitts30k_test", "msls_val", "msls_test", "nordland_vprbench_1f", "sped"):
        next(case for case in CASES if case.name == name and case.layout != "lists").write(tmp_path / "data")
    rows = [
        ("path", "floor", "area", "clip"),
        *((f"{i}.jpg", "floor3", f"area{i // 4}", f"clip{i % 3}") for i in range(12)),
    ]
    for name, *_ in rows[1:]:
        write_picture(tmp_path / "building" / name, len(name))
    (tmp_path / "building" / "images.csv").write_text("".join(f"{','.join(row)}\n" for row in rows))
    (example,) = YAML.findall((REPOSITORY / "docs" / "evaluate.md").read_text(encoding="utf-8"))
    (tmp_path / "building.yaml").write_text(example)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A2GC_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(("page", "count"), [("train.md", 8), ("evaluate.md", 10)])
def test_what_is_shown_works(page: str, count: int) -> None:
    commands = shown(page)
    assert len(commands) >= count
    for arguments in commands:
        result = CliRunner().invoke(app, made_smaller(arguments), catch_exceptions=False)
        assert result.exit_code == 0, f"a2gc {shlex.join(arguments)}\n{result.output[-3000:]}"


def test_the_page_on_pictures_shows_nothing_that_is_not_run() -> None:
    # That one serves until Ctrl-C: tests/serving starts it, asks it and ends it.
    assert shown("visualize.md") == [["serve", "town.a2gc"]]
