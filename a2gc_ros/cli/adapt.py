"""``a2gc adapt``: a model learns a site."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.output import echo_result
from a2gc_ros.errors import ConfigError, ModelError
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.installation import needs
from a2gc_ros.system.progress import progress_over
from a2gc_ros.system.sizes import show_size

if TYPE_CHECKING:
    from a2gc_ros.adaptation.adapt import AdaptationResult
    from a2gc_ros.adaptation.judging import Judgement
    from a2gc_ros.adaptation.onnx_head import Adapted


@app.command()
def adapt(
    site: Annotated[
        Path, typer.Argument(help="A recording, a folder of images, or a place map of the site.", show_default=False)
    ],
    out: options.NewModel,
    model: Annotated[str, typer.Option(help="A model that ships, or an ONNX file.")] = DEFAULT_MODEL,
    topic: Annotated[str | None, typer.Option(help="Image topic of a recording, where there are several.")] = None,
    pose_topic: Annotated[
        str | None,
        typer.Option(
            "--odometry", "--pose-topic", help="Topic of poses, which only judge the result; an empty name takes none."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=20, help="Look at this many images at most, evenly spread.")] = 2000,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves it to the runtime.")] = 0,
    allow_drop: Annotated[
        bool, typer.Option("--allow-drop", help="Write the file even if images that were not used are found worse.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Adapt a model to a site, from unlabeled images of it: on a CPU, without torch, in minutes.

    What the model knows of images in general is moved towards those of the site, the further the more distinct images
    there are, and judged on images that were not used. The result is a model of its own: describe maps with it anew
    (`a2gc map redescribe`).

    Examples:
    `a2gc adapt morning.mcap --out site.onnx`

    `a2gc adapt photographs/ --out site.onnx --model a2gc-efficientnet-lite0`

    `a2gc adapt town.a2gc --out site.onnx && a2gc map redescribe town.a2gc --model site.onnx --out town-site.a2gc`
    """
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(needs("`a2gc adapt`", "the Python package onnx", "adapt"))
    from a2gc_ros.adaptation.adapt import adapt as run
    from a2gc_ros.adaptation.onnx_head import AdaptableModel
    from a2gc_ros.adaptation.sources import Reading, open_source
    from a2gc_ros.extract.choose import find_file

    path = find_file(model)
    if path is None:
        raise ModelError(f"{model} is neither a model that ships nor an ONNX file: export it first (`a2gc export`).")
    adaptable = AdaptableModel(path)
    size = adaptable.spec.preprocessing.useful_size
    source = open_source(site, Reading(limit=limit, topic=topic, pose_topic=pose_topic, size=size))
    outcome = run(
        adaptable,
        progress_over(source.images(), "describing images", total=source.count),
        out,
        provenance={"source": site.name, "kind": source.kind},
        threads=threads,
        allow_drop=allow_drop,
    )
    written = outcome.written
    if written is None:
        assert outcome.judgement is not None
        raise ModelError(
            f"Adapting {adaptable.spec.name} to {site} makes it worse on images of the site that were not used "
            f"(recall@1 {outcome.judgement.before} before, {outcome.judgement.after} after), so {out} was not "
            "written: keep the model, give more of the site, or allow the drop."
        )
    echo_result(_summary(outcome, written), _words(outcome, written), as_json=as_json)


def _summary(outcome: AdaptationResult, written: Adapted) -> dict[str, Any]:
    statistics = outcome.statistics
    return {
        "out": str(written.path),
        "model": written.spec.name,
        "fingerprint": written.spec.fingerprint,
        "images": outcome.images,
        "distinct_images": statistics.images,
        "mean_weight": statistics.mean_weight,
        "covariance_weight": statistics.covariance_weight,
        "judgement": None if outcome.judgement is None else asdict(outcome.judgement),
    }


def _words(outcome: AdaptationResult, written: Adapted) -> str:
    statistics = outcome.statistics
    return (
        f"{statistics.images} distinct images of {outcome.images}: the site counts for {statistics.mean_weight:.0%} of "
        f"the mean and {statistics.covariance_weight:.1%} of the covariance, the model for the rest\n"
        f"{_judged(outcome.judgement)}\n"
        f"{written.path}: {written.spec.name}, {show_size(written.size)}, fingerprint {written.spec.fingerprint}\n"
        "a map belongs to one model: `a2gc map redescribe` describes one with this"
    )


def _judged(judgement: Judgement | None) -> str:
    if judgement is None:
        return (
            "nothing here could judge the result: it takes a longer drive, of images a few seconds apart or with "
            "odometry that returns to places"
        )
    verdict = "within noise"
    if judgement.difference.low > 0:
        verdict = "better"
    elif judgement.difference.high < 0:
        verdict = "worse"
    proves = (
        "places seen again, as far as odometry tells; not other light or seasons"
        if "odometry" in judgement.protocol
        else "views of one moment are told from all others; places seen again count as wrong, and nothing is said of "
        "other light or seasons"
    )
    return (
        f"recall@1 of {judgement.queries} images, none of them used ({judgement.protocol} are right):\n"
        f"  before {judgement.before}, after {judgement.after}, difference {judgement.difference} ({verdict})\n"
        f"  what this shows: {proves}"
    )
