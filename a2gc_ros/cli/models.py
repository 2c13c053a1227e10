"""``a2gc models``: which models there are, and what a model file says of itself."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import group
from a2gc_ros.cli.base.output import echo_json
from a2gc_ros.errors import ModelError

models_app = group("models", "List the models there are, and read what a model file says of itself.")


@models_app.command("list")
def list_models(as_json: options.AsJson = False) -> None:
    """List the models that come with the package and, with torch, every registered one.

    Examples:
    `a2gc models list`

    `a2gc models list --json | jq '.[] | select(.weights != "none") | .name'`
    """
    rows = _shipped() + _registered()
    if as_json:
        echo_json(rows)
        return
    table = Table()
    for title in ("name", "input", "resize", "weights", "licence"):
        table.add_column(title, no_wrap=title == "name")
    for row in rows:
        table.add_row(*(escape(str(row[key])) for key in ("name", "input", "resize", "weights", "licence")))
    Console().print(table)
    if not _has_torch():
        typer.echo("Without torch only the models that come with the package are listed.", err=True)


@models_app.command()
def info(
    file: Annotated[
        Path,
        typer.Argument(
            help="An ONNX file made by `a2gc export`, or a checkpoint: of a training, or as published.",
            show_default=False,
        ),
    ],
) -> None:
    """Check a model file and print its description as JSON, and what it was adapted from and on.

    Examples:
    `a2gc models info salad.onnx`

    `a2gc models info dino_salad.ckpt`
    """
    from a2gc_ros.extract.choose import CHECKPOINTS
    from a2gc_ros.extract.onnx_files.metadata import ADAPTED, read_entry, read_spec

    if file.suffix in CHECKPOINTS:
        from a2gc_ros.extract.pytorch.backend import spec_of
        from a2gc_ros.models.checkpoints.released import read_model

        model, licence = read_model(file)
        echo_json({**asdict(spec_of(model, licence)), **model.architecture.to_dict()})
        return

    described = asdict(read_spec(file))
    if (adapted := read_entry(file, ADAPTED)) is not None:
        described["adapted"] = json.loads(adapted)
    echo_json(described)


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _row(name: str, preprocessing: Any, weights: str, licence: str) -> dict[str, str]:
    antialias = "antialiased" if preprocessing.antialias else "plain"
    return {
        "name": name,
        "input": f"{preprocessing.height}x{preprocessing.width}",
        "resize": f"{preprocessing.resize}, {antialias} {preprocessing.interpolation}",
        "weights": weights,
        "licence": licence,
    }


def _shipped() -> list[dict[str, str]]:
    from a2gc_ros.extract.onnx_files.metadata import read_spec
    from a2gc_ros.shipped import shipped_models

    specs = {name: read_spec(path) for name, path in shipped_models().items()}
    return [_row(name, spec.preprocessing, "come with the package", spec.licence) for name, spec in specs.items()]


def _registered() -> list[dict[str, str]]:
    if not _has_torch():
        return []
    from a2gc_ros.models import model_names, named
    from a2gc_ros.shipped import shipped_models

    rows, refused = [], dict[str, None]()
    for name in model_names():
        if name in shipped_models():
            continue
        try:
            entry = named(name)
        except ModelError as error:
            # One sentence, though what it adds stands under many names.
            refused[str(error)] = None
            continue
        weights = "whole model" if entry.weights else "backbone" if entry.backbone_weights else "none"
        if entry.weights is not None and entry.weights.page is not None:
            weights = f"whole model, from {entry.weights.page}"
        rows.append(_row(name, entry.preprocessing, weights, entry.licence))
    for sentence in refused:
        typer.echo(sentence, err=True)
    return rows
