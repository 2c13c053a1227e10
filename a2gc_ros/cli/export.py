"""``a2gc export``: from PyTorch to the one file a robot needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.image_size import parse_size
from a2gc_ros.cli.base.output import echo_json
from a2gc_ros.errors import ConfigError
from a2gc_ros.system.installation import needing
from a2gc_ros.system.sizes import show_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from a2gc_ros.models.place_model import PlaceModel

FIT_IMAGES = 400
"""Images that a head is set from; their features are held in memory."""

FIT_DIMS = (512, 256, 128)
"""Sizes of the descriptor: the largest that has two images or views for each dimension."""


@app.command()
def export(
    model: str = typer.Argument(
        ..., help="A registered model, or a checkpoint: of `a2gc train`, or as a method's authors published it."
    ),
    out: Path = typer.Option(..., "--out", "-o", help="The ONNX file to write."),
    size: str | None = typer.Option(
        None, help="Input size in pixels: 322, or 240x320 for height x width. The model's own by default."
    ),
    weights: Path | None = typer.Option(None, help="Weights of a registered model, instead of its published ones."),
    layout: str | None = typer.Option(
        None, help="Who wrote --weights: own, salad, a2gc, megaloc, boq, ... By default found from the names in it."
    ),
    untrained: bool = typer.Option(
        False,
        "--untrained",
        help="Keep random weights, or with a backbone's --weights a random head, to measure speed only.",
    ),
    fit: Path | None = typer.Option(
        None,
        help="Folder of some hundred unlabeled images to set a VLAD head from, over the backbone's published weights.",
    ),
    dim: int | None = typer.Option(
        None,
        min=1,
        help="With --fit: dimensions of the descriptor. By default as many as the images can tell, up to 512.",
    ),
    precision: str = typer.Option("fp32", help="How weights are stored: fp32, or fp16 in half the bytes."),
    features: bool = typer.Option(False, "--features", help="Add the patch features as a second output."),
    images: Path | None = typer.Option(None, help="Folder of images to check the file on, besides generated ones."),
    licence: str | None = typer.Option(
        None, help="Licence of the weights. By default the published weights' or what the checkpoint says."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Export a model to one ONNX file that holds weights, preprocessing, fingerprint and licence.

    The file is compared with PyTorch on generated images, and on yours with `--images`, before it is written.

    Examples:
    - `a2gc export salad-dinov2-vitb14 --size 322 --out salad.onnx` (downloads the published weights)

    - `a2gc export runs/town/last.ckpt --out town.onnx --precision fp16 --licence Apache-2.0`

    - `a2gc export dinov2_12288.pth --out boq.onnx` (a file as a method's authors published it)

    - `a2gc export a2gc-dinov2-vitb14 --weights paper.ckpt --out paper.onnx` (the same, into a model that is named)

    - `a2gc export vlad-dinov2-vitb14 --fit photographs/ --out site.onnx` (a head from images of your site, no training)
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.text import Text

    if dim is not None and fit is None:
        raise ConfigError("--dim belongs to --fit, which has the images to set a head of this size from.")
    if precision not in ("fp32", "fp16"):
        raise ConfigError(f"--precision is {precision!r}; choose fp32 or fp16.")
    pixels = parse_size(size)
    pictures = _read_folder(images)

    with needing("`a2gc export`", "export"):
        from a2gc_ros.extract.pytorch.export import export_onnx

    with Console(stderr=True).status(Text(f"Building {model}")) as status:
        if fit is None:
            network, stated = _build(model, pixels, weights, layout, untrained)
        else:
            if weights is not None or untrained:
                raise ConfigError(
                    "--fit sets a head over the backbone's published weights; leave --weights and --untrained out."
                )
            network, stated = _fitted(model, pixels, fit, dim)
            network.name = f"{network.name}@{out.stem}"
        status.update(Text(f"Exporting {network.name} and comparing the file with PyTorch"))
        done = export_onnx(
            network,
            out,
            licence=licence or stated,
            precision="fp16" if precision == "fp16" else "fp32",
            features=features,
            images=pictures,
        )
    if as_json:
        echo_json(asdict(done))
        return
    spec = done.spec
    shape = f"{spec.preprocessing.height}x{spec.preprocessing.width}"
    agreement = ", ".join(f"{name} {cosine:.6f}" for name, cosine in done.cosines.items())
    typer.echo(
        f"{out}: {spec.name}, {shape} to {spec.descriptor_dim}-d, {show_size(done.size)}, licence {spec.licence}\n"
        + (f"weights beside it in {done.data}, to be copied together\n" if done.data else "")
        + f"fingerprint {spec.fingerprint}\n"
        f"least cosine to PyTorch: {agreement}"
    )


def _read_folder(folder: Path | None) -> list[NDArray[np.uint8]]:
    if folder is None:
        return []
    from a2gc_ros.images.decode import read_image

    return [read_image(path) for path in _images_in(folder, "--images")]


def _images_in(folder: Path, option: str) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{option}: {folder} is no folder.")
    from a2gc_ros.images.decode import image_files

    paths = image_files(folder)
    if not paths:
        raise ConfigError(f"{option}: {folder} holds no JPEG or PNG file.")
    return paths


def _fitted(model: str, size: tuple[int, int] | None, folder: Path, dim: int | None) -> tuple[PlaceModel, str]:
    """A network whose backbone has its published weights and whose head was set from images, and its licence."""
    from a2gc_ros.images.decode import read_image
    from a2gc_ros.models import build, named
    from a2gc_ros.models.fit import VIEWS, fit_head

    entry = named(model)
    if entry.architecture.aggregator != "VLAD":
        vlad = [name for name in _vlad_models() if name.partition("-")[2] == model.partition("-")[2]]
        raise ConfigError(
            f"{model} has no head that images alone can set: take {' or '.join(vlad or _vlad_models())} with --fit."
        )
    paths = _images_in(folder, "--fit")
    paths = paths[:: -(-len(paths) // FIT_IMAGES)]
    vectors = len(paths) * (1 + VIEWS)
    if dim is None:
        dim = next((each for each in FIT_DIMS if vectors >= 2 * each), None)
    if dim is None or vectors <= dim:
        least = -(-(2 * FIT_DIMS[-1] if dim is None else dim + 1) // (1 + VIEWS))
        raise ConfigError(f"--fit: {len(paths)} images are too few to set a head from; give {least} or more.")
    network = build(model, image_size=size, pretrained="backbone", descriptor_dim=dim)
    useful = network.preprocessing.useful_size
    fit_head(network, (read_image(path, max_size=useful) for path in paths))
    return network, entry.licence


def _vlad_models() -> list[str]:
    from a2gc_ros.models import MODELS

    return [name for name, entry in MODELS.items() if entry.architecture.aggregator == "VLAD"]


def _build(
    model: str, size: tuple[int, int] | None, weights: Path | None, layout: str | None, untrained: bool
) -> tuple[PlaceModel, str]:
    """The network with its weights, and their licence."""
    from a2gc_ros.extract.choose import CHECKPOINTS
    from a2gc_ros.models import build, checkpoints, named
    from a2gc_ros.models.checkpoints.layouts import LAYOUTS
    from a2gc_ros.models.checkpoints.released import licence_of, read_model

    path = Path(model).expanduser()
    if path.suffix in CHECKPOINTS:
        if weights is not None or untrained:
            raise ConfigError(f"{model} has its own weights; leave --weights and --untrained out.")
        return read_model(path, image_size=size)
    entry = named(model)
    if weights is None:
        return build(model, image_size=size, pretrained=not untrained), entry.licence
    network = build(model, image_size=size)
    report = checkpoints.load(network, weights, layout)
    whole = LAYOUTS[report.layout].part == "model"
    if whole and untrained:
        raise ConfigError(f"--untrained: {weights} holds the whole model; leave one of --weights and --untrained out.")
    if not whole and not untrained:
        raise ConfigError(
            f"{weights} holds {LAYOUTS[report.layout].title}, and the aggregator of {model} would stay random: give "
            "weights of the whole model, set a VLAD head from images with --fit, train one, or say --untrained to "
            "measure speed only."
        )
    return network, licence_of(weights, report.layout)
