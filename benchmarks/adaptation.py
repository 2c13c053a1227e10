"""What `a2gc adapt` gains on sites with a truth, on images that it was not given.

    python benchmarks/adaptation.py DATA TOWN.mcap [MORE.mcap ...] [--model MODEL ...] [--out results/adaptation]

DATA holds ie_tower/ (as place_protocols.py says) and sequences/office_loop and lot_circle, images/ with truth.npz
(`view`, `elsewhere`: bool (N, N)) and truth_phase.csv. Towns are recordings of `a2gc simulate`.

- a floor of the tower, an office: the statistics are fitted four times without a quarter of the spans of ten seconds,
  whose images are then asked for among all others of the site.
- a town, laps of a lot: the statistics are fitted to the first lap, or half; the images after it ask for those of it.

Intervals are 95 % percentile bootstraps over spans of ten seconds, the difference's on the same queries.
"""

from __future__ import annotations

import argparse
import csv
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from kept_results import keep
from place_protocols import HELD_OUT, spread

from a2gc_ros.adaptation.judging import PARTS, compare, hits
from a2gc_ros.adaptation.onnx_head import AdaptableModel
from a2gc_ros.adaptation.statistics import distinct, fit, normalized
from a2gc_ros.bags import open_recording
from a2gc_ros.evaluation.recall import Interval
from a2gc_ros.extract.choose import find_file
from a2gc_ros.geometry import yaw_of
from a2gc_ros.images.decode import read_image

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Site:
    """Images with a truth.

    Attributes:
        name: For the table.
        images: RGB, uint8 (H, W, 3) each.
        spans: Number of each image's span of ten seconds.
        right: Which pairs show one place, (N, N).
        asked: Which pairs are searched, (N, N).
        mapped: Images that the statistics are fitted to and that are searched; None takes parts of all in turn.
    """

    name: str
    images: Sequence[npt.NDArray[np.uint8]]
    spans: npt.NDArray[np.int64]
    right: Mask
    asked: Mask
    mapped: Mask | None = None


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    model: str
    site: str
    distinct_images: int
    queries: int
    before: Interval
    after: Interval
    difference: Interval


def floors(folder: Path) -> Iterator[Site]:
    """The held-out floors of the tower: an image should look like those 3 to 8 s before or after it."""
    with (folder / "images.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for floor in HELD_OUT:
        own = sorted((r for r in rows if r["floor"] == floor), key=lambda r: (r["clip"], int(r["second"])))
        clips = np.unique([row["clip"] for row in own], return_inverse=True)[1]
        seconds = np.array([int(row["second"]) for row in own])
        same, apart = clips[:, None] == clips, np.abs(seconds[:, None] - seconds)
        spans = np.unique(clips * 1000 + seconds // 10, return_inverse=True)[1]
        images = [read_image(folder / row["path"]) for row in own]
        yield Site(f"tower, {floor}", images, spans, same & (apart >= 3) & (apart <= 8), ~same | (apart >= 3))


def office(folder: Path) -> Site:
    """A walk round an office, two images a second: same view, at least 2.5 s apart."""
    truth = np.load(folder / "truth.npz", allow_pickle=False)
    at = np.arange(len(truth["view"]))
    apart = np.abs(at[:, None] - at) >= 5
    return Site(
        "office_loop",
        _read(folder),
        at // 20,
        truth["view"] & apart,
        (truth["view"] | truth["elsewhere"]) & apart,
    )


def lot(folder: Path) -> Site:
    """Nine laps of a parking lot, every second image: right is the place along the lap, later laps ask earlier ones."""
    with (folder / "truth_phase.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[::2]
    phase, lap = np.array([int(row["phase"]) for row in rows]), int(rows[0]["lap_length"])
    apart = np.abs(phase[:, None] - phase)
    apart = np.minimum(apart, lap - apart)
    right = apart <= 0.05 * lap
    at = np.arange(len(rows))
    return Site("lot_circle", _read(folder)[::2], at // 75, right, right | (apart > 0.12 * lap), at < len(at) // 2)


def town(recording: Path) -> Site:
    """A drive twice round a town, every second image: within 6 m and 45 degrees, the second half asks the first."""
    with open_recording(recording) as content:
        trajectory = content.trajectory("/ground_truth/pose")
        frames = [(f.stamp_ns, f.image, trajectory.interpolate(f.stamp_ns)) for f in content.frames(pose_topic="")]
    known = [(stamp, image, pose) for stamp, image, pose in frames[::2] if pose is not None]
    seconds = np.array([stamp for stamp, _, _ in known]) / 1e9
    poses = np.stack([pose for *_, pose in known])
    yaws = np.array([yaw_of(pose) for pose in poses])
    metres = np.linalg.norm(poses[:, None, :2, 3] - poses[None, :, :2, 3], axis=2)
    turn = np.abs((yaws[:, None] - yaws + np.pi) % (2 * np.pi) - np.pi)
    right = (metres <= 6) & (turn <= np.radians(45))
    spans = ((seconds - seconds[0]) // 10).astype(np.int64)
    images = [image for _, image, _ in known]
    half = seconds < (seconds[0] + seconds[-1]) / 2
    return Site(f"town {recording.stem}", images, spans, right, right | (metres > 12), half)


def judge(model: Path, site: Site) -> Row:
    """Recall@1 of a site's queries before and after.

    Raises:
        ConfigError: It has too few distinct images.
    """
    adaptable = AdaptableModel(model)
    prepare, runtime = adaptable.spec.preprocessing.apply, adaptable.open_values(0)
    values = np.concatenate([runtime(prepare(image)[None]) for image in site.images])
    everyone = np.ones(len(values), bool) if site.mapped is None else ~site.mapped
    asked = site.asked if site.mapped is None else site.asked & site.mapped
    queries = np.flatnonzero(everyone & (site.right & asked).any(axis=1))
    if site.mapped is None:
        chosen = distinct(values)
        found = compare(values, site.spans, queries, site.right, asked)
        assert found is not None
        before, after = found
    else:
        own = values[site.mapped]
        chosen = distinct(own)
        before, after = (
            hits(descriptors, queries, site.right, asked)
            for descriptors in (normalized(values), fit(own[chosen]).describe(values))
        )
    groups = site.spans[queries]
    old, new = before.astype(np.float64), after.astype(np.float64)
    shown = spread(old, groups), spread(new, groups), spread(new - old, groups)
    return Row(
        f"{adaptable.spec.name} ({adaptable.spec.fingerprint[:8]})", site.name, len(chosen), len(queries), *shown
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    text = f"# What an adaptation to a site gains\n\n`python benchmarks/adaptation.py`, recall@1, {PARTS} parts.\n\n"
    text += (
        "| model | site | distinct images | queries | before | after | difference |\n|---|---|---|---|---|---|---|\n"
    )
    for row in rows:
        numbers = f"{row.distinct_images} | {row.queries} | {row.before} | {row.after} | {row.difference}"
        text += f"| {row.model} | {row.site} | {numbers} |\n"
    return text


def _read(folder: Path) -> list[npt.NDArray[np.uint8]]:
    def natural(path: Path) -> list[tuple[int, str]]:
        return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", path.name)]

    return [read_image(path) for path in sorted((folder / "images").iterdir(), key=natural)]


def main() -> None:
    """Prints and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with ie_tower/ and sequences/")
    parser.add_argument("towns", type=Path, nargs="*", help="recordings of a2gc simulate")
    parser.add_argument("--model", nargs="*", default=["a2gc-efficientnet-lite0"], help="models that can be adapted")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "adaptation")
    arguments = parser.parse_args()
    sequences = arguments.data / "sequences"
    rows: list[Row] = []
    for make in (
        lambda: office(sequences / "office_loop"),
        *(lambda site=site: site for site in floors(arguments.data / "ie_tower")),
        lambda: lot(sequences / "lot_circle"),
        *(lambda path=path: town(path) for path in arguments.towns),
    ):
        site = make()
        for name in arguments.model:
            path = find_file(name)
            assert path is not None, f"{name} is no file"
            rows.append(judge(path, site))
            print(rows[-1], flush=True)
            keep(arguments.out, f"{platform.machine()}, {platform.system()}", rows, table(rows))


if __name__ == "__main__":
    main()
