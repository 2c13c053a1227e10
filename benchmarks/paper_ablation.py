"""The ablations of a paper, trained in full where there is the data, or rehearsed, or only timed.

    python benchmarks/paper_ablation.py OUT --data-root ~/data                  # trains every variant: days on a GPU
    python benchmarks/paper_ablation.py OUT --tables components sweeps --dev     # rehearses them here, in minutes
    python benchmarks/paper_ablation.py OUT --timing                            # parameters and milliseconds alone

training/ablations/a2gc.yaml lists the variants as changes of a recipe, with the published figures where there are any.
Each trains in a folder of its own below OUT and is left alone once it is done, so a second call goes on. Timing is that
of random weights in PyTorch, on the GPU where there is one, else on the CPU: the median of single images after one to
warm up, of the whole model and of its aggregator alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from a2gc_training.recipe import Recipe, load_recipe
from a2gc_training.rehearsal import rehearsal
from a2gc_training.run import build_model, train

ROOT = Path(__file__).resolve().parents[1]
ABLATION = ROOT / "training" / "ablations" / "a2gc.yaml"
KS = (1, 5, 10)
REPEATS = 9


@dataclass(frozen=True)
class Variant:
    """A change of the recipe.

    Attributes:
        table: The table it stands in.
        name: What is changed.
        recipe: With the change made.
        published: R@1, R@5, R@10 in percent; empty where there are none.
        published_ms: Milliseconds an image; None where there are none.
    """

    table: str
    name: str
    recipe: Recipe
    published: tuple[float, ...]
    published_ms: float | None

    @property
    def folder(self) -> Path:
        """Of its run, below that of all."""
        return Path(self.table.replace(" ", "_")) / "".join(c if c.isalnum() else "_" for c in self.name)


def variants(file: Path = ABLATION, tables: list[str] | None = None) -> Iterator[Variant]:
    """The variants of a file, of some tables or all."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    unknown = set(tables or ()) - set(content["tables"])
    if unknown:
        raise SystemExit(f"There is no table {', '.join(sorted(unknown))}; there are {', '.join(content['tables'])}.")
    for table in tables or content["tables"]:
        for name, entry in content["tables"][table].items():
            recipe = load_recipe(ROOT / content["recipe"], entry.get("set", []))
            yield Variant(table, name, recipe, tuple(entry.get("published", ())), entry.get("published_ms"))


def trained(variant: Variant, out: Path, *, dev: bool) -> dict[str, Any]:
    """The summary of a variant's run, which is made if it is not there."""
    folder = out / variant.folder
    if not (folder / "summary.json").is_file():
        recipe = rehearsal(variant.recipe) if dev else variant.recipe
        train(recipe, folder, resume=(folder / "checkpoints" / "last.ckpt").is_file())
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return summary


@torch.inference_mode()
def timed(variant: Variant) -> tuple[int, int, float, float]:
    """Dimensions, parameters, and milliseconds of the whole and of the aggregator, with random weights."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    section = variant.recipe.model
    model = build_model(type(section)(section.name, section.image_size, options=section.options)).bake().to(device)
    size = model.preprocessing
    images = torch.randn(1, 3, size.height, size.width, device=device)
    features = model.backbone(images)
    count = sum(parameter.numel() for parameter in model.parameters())
    whole = _median_ms(lambda: model(images), device)
    return (
        model.descriptor_dim,
        count,
        whole,
        _median_ms(lambda: model.aggregator(features.map, features.token), device),
    )


def _median_ms(run: Callable[[], object], device: torch.device) -> float:
    taken = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken[1:])


def row(variant: Variant, summary: dict[str, Any] | None) -> str:
    """A line of a Markdown table."""
    dims, count, whole, head = timed(variant)
    cells = [variant.name, f"{dims:,}", f"{count / 1e6:.1f}", f"{whole:.1f}", f"{head:.2f}"]
    cells.append("" if variant.published_ms is None else f"{variant.published_ms:.2f}")
    if summary is not None:
        (recall,) = summary["after"].values()
        spread = recall["recall@1"]
        cells += [f"{100 * recall[f'recall@{k}'][0]:.1f}" for k in KS]
        cells.append(f"{100 * spread[1]:.1f}–{100 * spread[2]:.1f}")
    cells.append(" / ".join(f"{value:.1f}" for value in variant.published))
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Reads the command line, and writes OUT/ablation.md after every variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tables", nargs="+", help="Tables of the file; all if not given.")
    parser.add_argument("--data-root", type=Path, help="Folder of data sets; A2GC_DATA if not given.")
    parser.add_argument("--dev", action="store_true", help="Rehearse on rendered rooms; recall then means nothing.")
    parser.add_argument("--timing", action="store_true", help="Time the models and train nothing.")
    options = parser.parse_args()
    if options.data_root is not None:
        os.environ["A2GC_DATA"] = str(options.data_root)
    options.out.mkdir(parents=True, exist_ok=True)
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else f"a CPU, {torch.get_num_threads()} threads"
    lines = [f"PyTorch {torch.__version__} on {machine}."]
    if options.dev:
        lines.append("A rehearsal on rendered rooms: recalls mean nothing.")
    measured = [] if options.timing else [*(f"R@{k}" for k in KS), "R@1, 95 % interval"]
    heads = [
        "",
        "dims",
        "million weights",
        "ms",
        "of these aggregator",
        "published ms",
        *measured,
        "published R@1/5/10",
    ]
    table = None
    for variant in variants(tables=options.tables):
        if variant.table != table:
            table = variant.table
            lines += ["", f"## {table.capitalize()}", "", "| " + " | ".join(heads) + " |"]
            lines.append("|---|" + "---:|" * (len(heads) - 1))
        summary = None if options.timing else trained(variant, options.out, dev=options.dev)
        lines.append(row(variant, summary))
        print(lines[-1], flush=True)
        (options.out / "ablation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
