"""``a2gc viz``: pictures of what a model sees, matches and gets wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import group
from a2gc_ros.cli.viz_retrieval import retrieval
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.installation import needing

if TYPE_CHECKING:
    from a2gc_ros.extract.inspection import Inspection, Inspector
    from a2gc_ros.viz.patch_matches import ComparedImage

viz_app = group(
    "viz", "Pictures of what a model sees, matches and gets wrong. Needs matplotlib (`pip install matplotlib`)."
)

ModelOption = Annotated[
    str,
    typer.Option(
        help="The model that comes with the package, an ONNX file exported with --features, or, with torch, a "
        "checkpoint or a registered name."
    ),
]


@viz_app.command()
def match(
    query: Annotated[Path, typer.Option(help="An image.", show_default=False)],
    ref: Annotated[Path, typer.Option(help="The image it is compared with.", show_default=False)],
    out: options.NewPictures,
    model: ModelOption = DEFAULT_MODEL,
    top_k: Annotated[int, typer.Option(min=1, help="Most matches drawn.")] = 200,
    threshold: Annotated[float, typer.Option(min=-1, max=1, help="Least cosine similarity of two patches.")] = 0.3,
) -> None:
    """Show which patches of two images a model takes for the same.

    Writes feature_matching_lines.png, similarity_matrix.png, feature_heatmap_comparison.png and matching_stats.json.
    Patches match when each is the other's nearest. These are features of the model, not the local features of the
    geometric check.

    Examples:
    `a2gc viz match --query a.jpg --ref b.jpg --out pictures`

    `a2gc viz match --query a.jpg --ref b.jpg --model town.onnx --top-k 50 --threshold 0.5 --out pictures`
    """
    with needing("Drawing", "viz"):
        from a2gc_ros.viz import style
    from a2gc_ros.viz.patch_matches import draw_heatmaps, draw_lines, draw_patch_similarity, match_patches

    inspector, (seen, other) = _inspected(model, [query, ref])
    matches = match_patches(seen.features, other.features, top_k=top_k, threshold=threshold)
    descriptors = float(seen.descriptor @ other.descriptor)
    left, right = _compared(seen, query.name), _compared(other, ref.name)
    name = inspector.spec.name
    title = f"{name}: {len(matches.query)} patches match, similarity of the descriptors {descriptors:.3f}"
    out.mkdir(parents=True, exist_ok=True)
    style.save(draw_lines(left, right, matches, title=title), out / "feature_matching_lines.png")
    style.save(draw_patch_similarity(matches, title="Patches of both images"), out / "similarity_matrix.png")
    style.save(draw_heatmaps(left, right, matches, title=title), out / "feature_heatmap_comparison.png")
    stats = {
        "model": name,
        "fingerprint": inspector.spec.fingerprint,
        "query": str(query),
        "reference": str(ref),
        "descriptor_similarity": descriptors,
        "patches": list(matches.similarity.shape),
        "matches": len(matches.query),
        "threshold": threshold,
        "top_k": top_k,
        "mean_match_similarity": float(matches.scores.mean()) if len(matches.query) else None,
        "best_match_similarity": float(matches.scores[0]) if len(matches.query) else None,
        "dustbin_share": [None if plan is None else float(plan[-1].mean()) for plan in (seen.plan, other.plan)],
    }
    (out / "matching_stats.json").write_text(json.dumps(stats, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"{title}; {out}")


@viz_app.command()
def features(
    image: Annotated[Path, typer.Option(help="An image.", show_default=False)],
    out: options.NewPictures,
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Show what a model makes of an image, patch by patch.

    Writes features.png: the image, its patch features in colors and, for a model with clusters, which cluster takes
    which patch and what is left to the dustbin. Then clusters.png has a map for each cluster, and geometry.png what
    the place of a patch adds to its score, for models with geometry.

    Examples:
    `a2gc viz features --image a.jpg --out pictures`

    `a2gc viz features --image a.jpg --model runs/town/last.ckpt --out pictures`
    """
    with needing("Drawing", "viz"):
        from a2gc_ros.viz import style
    from a2gc_ros.viz.clusters import draw_clusters, draw_features

    inspector, (seen,) = _inspected(model, [image])
    name = inspector.spec.name
    out.mkdir(parents=True, exist_ok=True)
    figures = {"features.png": draw_features(seen.image, seen.features, seen.plan, title=f"{name}: {image.name}")}
    if seen.plan is not None:
        title = f"{name}: what each cluster takes of {image.name}"
        figures["clusters.png"] = draw_clusters(seen.plan[:-1], title=title, label="share of the patch")
    if seen.bias is not None:
        title = f"{name}: what the place in the image adds, for each cluster"
        figures["geometry.png"] = draw_clusters(seen.bias, title=title, label="added to the score", centered=True)
    for file, figure in figures.items():
        style.save(figure, out / file)
    typer.echo(f"{', '.join(figures)} in {out}")


@viz_app.command("map")
def draw_place_map(
    place_map: options.MapFile,
    out: Annotated[Path, typer.Option(help="The .png to write.", show_default=False)],
    most: Annotated[int, typer.Option(min=1, help="How many matches are drawn, the most alike first.")] = 150,
    gap: Annotated[
        float, typer.Option(min=0, help="Seconds that keyframes of one session must lie apart to be matched.")
    ] = 30.0,
) -> None:
    """Draw the paths of a place map, and which of its keyframes look alike.

    Keyframes are joined with the one most like them. These are matches of descriptors alone, unchecked: `a2gc
    replay` draws verified closures.

    Examples:
    `a2gc viz map town.a2gc --out town.png`

    `a2gc viz map town.a2gc --most 50 --gap 60 --out town.png`
    """
    with needing("Drawing", "viz"):
        from a2gc_ros.viz import style
    from a2gc_ros.placemap import PlaceMap
    from a2gc_ros.viz.map_matches import best_matches, draw_map, session_paths

    with PlaceMap.open(place_map, read_only=True) as opened:
        keyframes, sessions = session_paths(opened)
        matches = best_matches(opened, keyframes, most=most, gap_s=gap)
    title = f"{place_map.name}: {len(keyframes)} keyframes, the {len(matches.keyframes)} matches most alike"
    out.parent.mkdir(parents=True, exist_ok=True)
    style.save(draw_map(sessions, matches, title=title), out)
    typer.echo(f"{title}; {out}")


viz_app.command()(retrieval)


def _inspected(model: str, paths: Sequence[Path]) -> tuple[Inspector, list[Inspection]]:
    from a2gc_ros.extract.inspection import open_inspector
    from a2gc_ros.images.decode import read_image

    images = [read_image(path) for path in paths]
    inspector = open_inspector(model)
    return inspector, [inspector.inspect(image) for image in images]


def _compared(found: Inspection, label: str) -> ComparedImage:
    from a2gc_ros.viz.patch_matches import ComparedImage

    rows, columns = found.features.shape[:2]
    used = None if found.plan is None else 1 - found.plan[-1]
    return ComparedImage(found.image, (rows, columns), label, used)
