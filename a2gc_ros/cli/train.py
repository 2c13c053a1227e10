"""``a2gc train``: a recipe in, a model file out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from a2gc_ros.errors import A2gcError, ConfigError

if TYPE_CHECKING:
    from a2gc_training.run import Outcome

_EXAMPLES = """
Train a model as a recipe says, and watch its recall on held-out images.

A recipe is one YAML file; `training/recipes` has those to start from. Any entry can be replaced with `--set`. The run's
folder gets the resolved recipe, metrics.csv, TensorBoard logs, checkpoints, the model as safetensors, and summary.json.

Examples:

- `a2gc train training/recipes/smoke.yaml` (no data needed, under a minute)

- `a2gc train training/recipes/places.yaml --set train.0.root=~/places --out runs/places`

- `a2gc train training/recipes/gsv_cities_vitb14.yaml --set trainer.devices=4 --set trainer.precision=bf16-mixed`

- `a2gc train training/recipes/gsv_cities_vitb14.yaml --resume`
"""


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("train", help=_EXAMPLES)(train)


def train(
    recipe: Path = typer.Argument(..., help="The recipe, a YAML file."),
    assignments: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Replace an entry, dotted: optimiser.lr=1e-4. May be repeated."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="Folder for everything the run leaves. By default runs/NAME."
    ),
    resume: bool = typer.Option(False, "--resume", help="Continue from the folder's last checkpoint."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Trains; the help text is in ``_EXAMPLES``."""
    try:
        from a2gc_training.recipe import load_recipe
        from a2gc_training.run import is_main_process
        from a2gc_training.run import train as run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Training needs the Python package {error.name}; install this package with its extra `train`."
        ) from error

    loaded = load_recipe(recipe, assignments)
    _quieten()
    try:
        outcome = run(loaded, out or Path("runs") / loaded.name, resume=resume)
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


def _print(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if outcome.after:
        table = Table("set", "queries", "recall", "before", "after [95 % interval]")
        for name, recall in outcome.after.items():
            for k in recall.ks:
                before = f"{outcome.before[name].at(k):.3f}" if name in outcome.before else ""
                table.add_row(name, str(len(recall.hits)), f"@{k}", before, f"{recall.interval(k)}")
        console.print(table)
    console.print(f"Model: {outcome.model}", soft_wrap=True)
