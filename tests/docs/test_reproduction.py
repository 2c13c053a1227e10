"""The script from the public files to a table, on small data in the layouts that the papers' trainings use."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

SCRIPT = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SMALL = {
    "model.pretrained": "false",
    "model.trainable_blocks": "1",
    "model.image_size": "[56, 56]",
    "model.options": "{depth: 1, clusters: 4, cluster_dim: 8, token_dim: 8, hidden: 16}",
    "sampling.places_per_batch": "3",
    "trainer.epochs": "1",
    "trainer.precision": "32-true",
    "trainer.accelerator": "cpu",
    "trainer.devices": "1",
    "trainer.workers": "0",
}
"""What makes it a matter of seconds; all else is as published."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("a2gc_training") is None, reason="needs a2gc_training"),
]


def write_gsv_cities(root: Path) -> None:
    """Two cities of four places with four images each."""
    from miniature import write_picture

    for number, city in enumerate(("Osaka", "Paris")):
        rows = ["place_id,year,month,northdeg,city_id,lat,lon,panoid"]
        for place in range(4):
            for view in range(4):
                rows.append(f"{place},2019,{view + 1},90,{city},1.5,2.5,p{view}")
                name = f"{city}_{place:07d}_2019_{view + 1:02d}_090_1.5_2.5_p{view}.jpg"
                write_picture(root / "Images" / city / name, 100 * number + place)
        (root / "Dataframes").mkdir(parents=True, exist_ok=True)
        (root / "Dataframes" / f"{city}.csv").write_text("\n".join(rows))


def test_from_the_public_files_to_a_table(tmp_path: Path) -> None:
    from miniature import CASES, npy_lists

    write_gsv_cities(tmp_path / "data" / "GSVCities")
    names = {case.name for case in CASES}
    # Images below data and lists in datasets beside it, and the rest as its publishers lay it out.
    npy_lists(tmp_path, "datasets/Pittsburgh", "data/Pittsburgh", "pitts30k_val")
    for name in names - {"pitts30k_val"}:
        next(case for case in CASES if case.name == name and case.layout != "lists").write(tmp_path / "data")
    (script,) = SCRIPT.findall((REPOSITORY / "docs" / "train.md").read_text(encoding="utf-8"))
    changes = " ".join(f"--set '{key}={value}'" for key, value in SMALL.items())
    script = re.sub(r"^(a2gc train .*)$", rf"\1 {changes}", script, flags=re.MULTILINE).replace(
        "--size 322", "--size 56"
    )
    (tmp_path / "training").symlink_to(REPOSITORY / "training")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "A2GC_DATA": str(tmp_path / "data"),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert "pitts30k_val" in done.stdout
    lines = [line.split(" | ") for line in (tmp_path / "table.md").read_text().splitlines()[2:]]
    measured = {cells[0].removeprefix("| "): cells for cells in lines if cells[-1].startswith("measured")}
    assert set(measured) == names
    assert len(names) == 16
    assert {cells[1] for cells in measured.values()} == {"a2gc-dinov2-vitb14.safetensors 56x56 fp32"}
    assert all(re.fullmatch(r"\d+\.\d \(\d+\.\d–\d+\.\d\)", cells[5]) for cells in measured.values())
    published = {cells[1] for cells in lines if cells[0] == "| msls_val"}
    assert {"≠ BoQ (ViT-B/14, 322 px)", "≠ A²GC (ViT-g/14)"} <= published
