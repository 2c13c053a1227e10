from __future__ import annotations

import csv
from pathlib import Path

import pytest
from a2gc_training.recipe import load_recipe
from a2gc_training.run import train


@pytest.mark.slow
def test_the_smoke_recipe_learns(repository: Path, tmp_path: Path) -> None:
    outcome = train(load_recipe(repository / "training" / "recipes" / "smoke.yaml"), tmp_path)
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open(newline="") as stream:
        losses = [float(row["train/loss_step"]) for row in csv.DictReader(stream) if row.get("train/loss_step")]
    assert len(losses) == 24
    assert sum(losses[-6:]) < 0.95 * sum(losses[:6])
    margin = outcome.after["rooms"].margin_over(outcome.before["rooms"], 1)
    assert margin.low > 0
