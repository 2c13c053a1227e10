"""``a2gc extract``: descriptors of images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from rich.console import Console

from a2gc_ros.cli import any_typer as typer
from a2gc_ros.cli import options
from a2gc_ros.errors import ConfigError
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.progress import progress_over


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("extract")(extract)


def extract(
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of them.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npz file to write.", show_default=False)],
    model: Annotated[str, typer.Option(help="An ONNX file or a model's name.")] = DEFAULT_MODEL,
    backend: options.Backend = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = 0,
) -> None:
    """Write the descriptors of images to one .npz file.

    It holds `descriptors`, float32 (N, D), `paths`, and `fingerprint`: compare descriptors only where it is equal.

    Examples:
    `a2gc extract photos/ --out photos.npz`

    `a2gc extract a.jpg b.jpg --model salad.onnx --backend onnxruntime --out two.npz`
    """
    import numpy as np

    from a2gc_ros.extract import open_extractor
    from a2gc_ros.images.decode import read_image

    paths = list(_find(images))
    extractor = open_extractor(model, backend=backend, precision=precision, threads=threads)  # type: ignore[arg-type]  # checked there
    console = Console(stderr=True)
    console.print(f"{extractor!r}: {extractor.reason}", highlight=False)
    descriptors = np.empty((len(paths), extractor.spec.descriptor_dim), np.float32)
    found = extractor.stream(read_image(path) for path in paths)
    for i, descriptor in enumerate(progress_over(found, "extracting", total=len(paths), unit="images")):
        descriptors[i] = descriptor
    with out.open("wb") as file:
        np.savez(
            file,
            descriptors=descriptors,
            paths=np.array([str(p) for p in paths]),
            fingerprint=extractor.spec.fingerprint,
        )
    typer.echo(json.dumps({"images": len(paths), "descriptor_dim": extractor.spec.descriptor_dim, "out": str(out)}))


def _find(given: list[Path]) -> Iterator[Path]:
    """The images themselves, and those in the folders.

    Raises:
        ConfigError: Something given does not exist, or a folder holds no image.
    """
    from a2gc_ros.images.decode import image_files

    for path in given:
        if path.is_file():
            yield path
            continue
        inside = image_files(path)
        if not inside:
            raise ConfigError(f"{path} is neither an image nor a folder with JPEG or PNG files.")
        yield from inside
