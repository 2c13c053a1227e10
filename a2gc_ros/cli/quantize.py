"""``a2gc quantize``: an exported model in int8."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.text import Text

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.output import echo_json, print_table
from a2gc_ros.errors import ConfigError
from a2gc_ros.system.installation import needing
from a2gc_ros.system.sizes import show_size


@app.command()
def quantize(
    model: Annotated[Path, typer.Argument(help="An ONNX file made by `a2gc export`.", show_default=False)],
    images: Annotated[
        Path,
        typer.Option(
            help="Folder of images as the robot sees them; where it has sub-folders, each is one place.",
            show_default=False,
        ),
    ],
    out: options.NewModel,
    limit: Annotated[int, typer.Option(min=2, help="Use at most this many images, evenly spread.")] = 1000,
    allow_drop: Annotated[
        bool, typer.Option("--allow-drop", help="Write the file even if recall falls by more than half a point.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Quantize a model to int8 on your images, and compare it with the original on them.

    Descriptors of the two models are not to be mixed: the result has a fingerprint of its own, so build its maps anew.

    Examples:
    `a2gc quantize town.onnx --images places/ --out town-int8.onnx`

    `a2gc quantize town.onnx --images frames/ --out town-int8.onnx --allow-drop --json`
    """
    with needing("`a2gc quantize`", "adapt"):
        from a2gc_ros.extract.quantize import quantize as run
    from a2gc_ros.extract.onnx_files.metadata import read_spec
    from a2gc_ros.images.decode import image_files, read_image

    paths = image_files(images)
    if not paths:
        raise ConfigError(f"--images: {images} is no folder with JPEG or PNG files.")
    paths = paths[:: -(-len(paths) // limit)]
    places = [str(path.parent) for path in paths]
    size = read_spec(model).preprocessing.useful_size
    with Console(stderr=True).status(Text(f"Quantizing {model} on {len(paths)} images")):
        done = run(
            model,
            out,
            [read_image(path, max_size=size) for path in paths],
            places=places if len(set(places)) > 1 else None,
            allow_drop=allow_drop,
        )
    if as_json:
        echo_json(asdict(done))
        return
    typer.echo(f"{done.path}: {show_size(done.size)}, fingerprint {done.fingerprint}")
    rows = [
        (
            name,
            f"{drift.mean_cosine:.4f}",
            f"{drift.least_cosine:.4f}",
            *map(_share, (done.recall, drift.recall, drift.ranking)),
        )
        for name, drift in done.drift.items()
    ]
    titles = ("runtime", "mean cosine", "least cosine", "recall@1 before", "recall@1 after", "same nearest image")
    print_table(titles, rows)


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
