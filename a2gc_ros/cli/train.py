"""``a2gc train``: a recipe in, a model file out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.output import print_table
from a2gc_ros.errors import A2gcError, ConfigError, TrainingError
from a2gc_ros.system.installation import needing

if TYPE_CHECKING:
    from a2gc_training.recipe import Recipe
    from a2gc_training.run import TrainingResult


@app.command()
def train(
    recipe: Path = typer.Argument(..., help="The recipe, a YAML file."),
    assignments: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Replace an entry, dotted: optimizer.lr=1e-4. May be repeated."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="Folder for everything the run leaves. By default runs/NAME."
    ),
    data_root: Path | None = typer.Option(
        None, envvar="A2GC_DATA", help="Folder of data sets: what $A2GC_DATA stands for in a recipe."
    ),
    resume: bool = typer.Option(False, "--resume", help="Continue from the folder's last checkpoint."),
    dev: bool = typer.Option(
        False, "--dev", help="Dry run: everything the recipe does, on rendered rooms, in a minute on any machine."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Train a model as a recipe says, and watch its recall on held-out images.

    A recipe is one YAML file; `training/recipes` has those to start from. Any entry can be replaced with `--set`. The
    run's folder gets the resolved recipe, metrics.csv, TensorBoard logs, checkpoints, the model as safetensors, and
    summary.json.

    Examples:
    - `a2gc train training/recipes/smoke.yaml` (no data needed, under a minute)

    - `a2gc train training/recipes/gsv_cities_a2gc_vitb14.yaml --dev` (does the recipe run? in a minute, without its
      data)

    - `a2gc train training/recipes/places.yaml --set train.0.root=~/places --out runs/places`

    - `a2gc train training/recipes/gsv_cities_a2gc_vitb14.yaml --data-root ~/data`

    - `a2gc train training/recipes/gsv_cities_a2gc_vitb14.yaml --set trainer.devices=4 --set
      sampling.places_per_batch=15`

    - `a2gc train training/recipes/gsv_cities_a2gc_vitb14.yaml --resume`
    """
    with needing("Training", "train"):
        from a2gc_training.recipe import load_recipe
        from a2gc_training.run import is_main_process
        from a2gc_training.run import train as run

    if data_root is not None:
        os.environ["A2GC_DATA"] = str(data_root)
    loaded = load_recipe(recipe, assignments)
    _quieten()
    if dev:
        _rehearse(loaded, out, resume=resume, as_json=as_json)
        return
    try:
        outcome = run(loaded, out or Path("runs") / loaded.name, resume=resume)
    except TrainingError as error:
        typer.echo(f"a2gc: {error}", err=True)
        raise typer.Exit(1) from error
    except A2gcError as error:
        raise type(error)(_own_words(str(error))) from error
    except SystemExit as stop:
        # Lightning ends the process itself when it was interrupted.
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        typer.echo("Interrupted; continue after the last whole epoch with --resume.", err=True)
        raise typer.Exit(130) from stop
    if not is_main_process():
        return
    if as_json:
        typer.echo((outcome.model.parent / "summary.json").read_text(encoding="utf-8"), nl=False)
    else:
        _print(outcome)


def _rehearse(recipe: Recipe, out: Path | None, *, resume: bool, as_json: bool) -> None:
    """Runs the recipe's rehearsal, in a folder that goes away again unless one was named."""
    import tempfile
    import time

    from a2gc_training.rehearsal import rehearsal
    from a2gc_training.run import train as run

    if resume:
        raise ConfigError("A dry run starts anew each time; leave out --resume or --dev.")
    cut = rehearsal(recipe)
    depth = cut.model.options.get("depth")
    typer.echo(
        f"Dry run of {recipe.name}: rendered rooms stand in for its data, weights start at random, one CPU process, "
        f"{cut.trainer.epochs} epochs of {cut.sampling.steps_per_epoch} steps"
        f"{f', {depth} of the transformer blocks' if depth else ''}. What the model reaches means nothing.",
        err=True,
    )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        outcome = run(cut, out or Path(scratch))
        if as_json:
            typer.echo((outcome.model.parent / "summary.json").read_text(encoding="utf-8"), nl=False)
    kept = f"Its results are in {out}." if out else "Nothing was kept."
    typer.echo(
        f"{recipe.name} trained, validated, saved and read back in {time.monotonic() - start:.0f} s. {kept}", err=True
    )


def _quieten() -> None:
    """Keeps Lightning's advice to programmers from people who run a recipe."""
    import logging
    import warnings

    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for module in ("pytorch_lightning", "lightning_fabric", "torch"):
        warnings.filterwarnings("ignore", module=rf"{module}\..*")


def _own_words(message: str) -> str:
    """An error's sentence without the traceback that torch wraps around what a reading process raised."""
    if not message.startswith("Caught ") or "DataLoader worker process" not in message:
        return message
    return message.strip().splitlines()[-1].partition("Error: ")[2]


def _print(outcome: TrainingResult) -> None:
    rows = [
        (
            name,
            len(recall.hits),
            f"@{k}",
            f"{outcome.before[name].at(k):.3f}" if name in outcome.before else "",
            recall.interval(k),
        )
        for name, recall in outcome.after.items()
        for k in recall.ks
    ]
    if rows:
        print_table(("set", "queries", "recall", "before", "after [95 % interval]"), rows)
    typer.echo(f"Model: {outcome.model}")
