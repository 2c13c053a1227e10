"""Fits the law of evidence that ships with the package, and judges it on recordings that it was not fitted on.

    python benchmarks/evidence.py DATA TOWNS OUT [--seeds 1 3] [--write]

DATA holds sequences/, robot_run/ and ie_tower/, TOWNS recordings towns_seed_N.mcap of the simulated town, read without
odometry and calibration. What the detector compares in each of them is kept in OUT by the fingerprint of the
model, so that an interrupted run goes on and another law costs a minute; delete it after a change of the comparison.
OUT gets the fit's picture, and with --write the package its `loops/evidence.json`.

1. Pairs: every keyframe against its nearest ones, as the detector does it; those that verify, with the truth.
2. Law: logistic regression over four numbers of the strongest run through each pair (`a2gc_ros/loops/evidence.py`),
   coefficients not negative, right and wrong pairs of one weight, a recording's weight the root of its number of pairs.
   The strongest run depends on the law, so the two are found in turn.
3. Rate: that law is fitted leaving one recording out at a time; the largest odds of each query of a recording that was
   left out whose pairs are all wrong are look-alikes' odds. Their upper tail is exponential within the error of their
   number, and its slope turns odds into the share of false ones among equally many queries of both kinds.

A pair is right or wrong as the recording's truth says; pairs that it leaves open are not used, and of the laps, whose
truth is a phase, no wrong ones.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from scipy.optimize import minimize
from scipy.special import expit

from a2gc_ros.bags import open_recording
from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.images.decode import read_image
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.loops.evidence import FILE, VERSION, EvidenceModel
from a2gc_ros.loops.runs import VerifiedPair, strongest
from a2gc_ros.placemap import Manifest, PlaceMap

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Array = npt.NDArray[np.float64]
Table = npt.NDArray[np.bool_]

START = EvidenceModel(
    intercept=0.0, share=25.0, coverage=10.0, advance=12.0, length=2.0, doubt=1.0, most_coverage=0.5, most_advance=0.3
)
ROUNDS = 2
RIDGE = 1.0
TAIL_QUANTILE = 0.9
FEWEST_RIGHT = 20
"""Of a recording with fewer right pairs those are judged, not learned from: one weak return would bend the law."""

RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
FOUND_WITHIN = 3
"""A revisit counts as found if a right closure is about it or a frame at most so many away."""


@dataclass(frozen=True)
class Recorded:
    """A recording with its truth.

    Attributes:
        name: For people.
        frames: Gives its frames, in order.
        stamps: Of all frames, nanoseconds.
        same: bool (N, N), frames that show one place.
        elsewhere: bool (N, N), frames that surely show different ones.
        gap_s: Least seconds between two visits.
        laps: Whether what lies elsewhere is not certain enough to learn from.
    """

    name: str
    frames: Callable[[], Iterator[Frame]]
    stamps: npt.NDArray[np.int64]
    same: Table
    elsewhere: Table
    gap_s: float = 30.0
    laps: bool = False


@dataclass(frozen=True)
class Pairs:
    """The verified pairs of a recording.

    Attributes:
        name: The recording.
        pairs: What runs are made of.
        right: int (N,), 1 for pairs of one place, 0 of two, -1 where nobody knows.
        query: int (N,), number of the query's frame.
        revisits: Frames that show a place of an earlier visit.
        asked: How many queries had keyframes to be compared with.
        laps: As of the recording.
    """

    name: str
    pairs: list[VerifiedPair]
    right: npt.NDArray[np.int64]
    query: npt.NDArray[np.int64]
    revisits: npt.NDArray[np.int64]
    asked: int
    laps: bool

    @property
    def usable(self) -> Table:
        """Which pairs a fit may learn from."""
        enough = (self.right == 1).sum() >= FEWEST_RIGHT
        return np.asarray(((self.right == 1) & enough) | ((self.right == 0) & (not self.laps)))

    @property
    def is_tower(self) -> bool:
        """Whether it has no right pair at all."""
        return not (self.right == 1).any()


def photographs(name: str, files: Sequence[Path], rate: float, same: Table, elsewhere: Table, **more: Any) -> Recorded:
    """Makes a recording of photographs at so many a second."""
    stamps = np.round(np.arange(len(files)) * 1e9 / rate).astype(np.int64)

    def frames() -> Iterator[Frame]:
        for stamp, file in zip(stamps, files, strict=True):
            yield Frame(int(stamp), read_image(file))

    return Recorded(name, frames, stamps, same, elsewhere, **more)


def real(data: Path) -> Iterator[Recorded]:
    """Finds the real sequences."""
    folder = data / "sequences" / "office_loop"
    truth = np.load(folder / "truth.npz")
    yield photographs("office_loop", in_order(folder / "images"), 2.0, truth["view"], truth["elsewhere"])
    folder = data / "sequences" / "lot_circle"
    rows = table(folder / "truth_phase.csv")
    phase, lap = np.array([int(row["phase"]) for row in rows]), int(rows[0]["lap_length"])
    apart = np.abs(phase[:, None] - phase)
    apart = np.minimum(apart, lap - apart)
    files = in_order(folder / "images")
    yield photographs("lot_circle", files, 15.14, apart <= 0.05 * lap, apart > 0.12 * lap, gap_s=4.0, laps=True)
    rows = table(data / "robot_run" / "poses.csv")
    xy, yaw = (
        np.array([[float(r["x_m"]), float(r["y_m"])] for r in rows]),
        np.array([float(r["yaw_rad"]) for r in rows]),
    )
    files = [data / "robot_run" / "images" / row["image"] for row in rows]
    same, apart_m = one_view(xy, yaw)
    yield photographs("robot_run", files, 1.0, same, apart_m > 25)
    rows = table(data / "ie_tower" / "images.csv")
    for walk in range(3):
        floors = sorted({row["floor"] for row in rows})[walk::3]
        here = [row for row in rows if row["floor"] in floors]
        here.sort(key=lambda row: (floors.index(row["floor"]), row["clip"], int(row["second"])))
        floor = np.array([floors.index(row["floor"]) for row in here])
        other = floor[:, None] != floor
        files = [data / "ie_tower" / row["path"] for row in here]
        yield photographs(f"tower_walk_{walk}", files, 1.0, np.zeros_like(other), other)


def town(path: Path) -> Recorded:
    """Reads a simulated recording without its odometry and calibration."""
    with open_recording(path) as recording:
        truth = recording.trajectory(next(t.name for t in recording.topics if "truth" in t.name))
        stamps = [f.stamp_ns for f in recording.frames() if truth.interpolate(f.stamp_ns) is not None]
    poses = np.stack([pose for stamp in stamps if (pose := truth.interpolate(stamp)) is not None])

    def frames() -> Iterator[Frame]:
        with open_recording(path) as recording:
            for frame in recording.frames():
                if truth.interpolate(frame.stamp_ns) is not None:
                    yield dataclasses.replace(frame, pose=None, intrinsics=None)

    same, apart = one_view(poses[:, :2, 3], np.arctan2(poses[:, 1, 0], poses[:, 0, 0]))
    return Recorded(path.stem, frames, np.array(stamps), same, apart > 30)


def one_view(xy: Array, yaw: Array) -> tuple[Table, Array]:
    """Returns which poses are within 15 m and 45 degrees, and how far apart all are."""
    apart = np.linalg.norm(xy[:, None] - xy, axis=2)
    turn = np.abs((yaw[:, None] - yaw + np.pi) % (2 * np.pi) - np.pi)
    return (apart <= 15) & (turn < np.pi / 4), apart


def table(path: Path) -> list[dict[str, str]]:
    """Reads a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def in_order(folder: Path) -> list[Path]:
    """Returns the files of a folder in the order of the numbers in their names."""
    return sorted(folder.iterdir(), key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])


def pairs_of(sequence: Recorded, extractor: Extractor) -> Pairs:
    """Runs the detector over a recording and judges the pairs that verify; none is ever sure enough for more."""
    spec = extractor.spec
    config = LoopConfig(min_time_gap_s=sequence.gap_s, max_false_positive_rate=0.0, store_images=False)
    number = {int(stamp): at for at, stamp in enumerate(sequence.stamps)}
    pairs, right, query, asked = [], [], [], 0
    with PlaceMap.create(":memory:", Manifest.of(spec)) as live:
        detector = LoopDetector(config, live)
        for frame in sequence.frames():
            detection = detector.process(frame, extractor.extract_one(frame.image))
            asked += bool(detection.candidates)
            for match, pair in detection.verified:
                q, k = number[match.query_stamp_ns], number[match.keyframe_stamp_ns]
                pairs.append(pair)
                query.append(q)
                right.append(1 if sequence.same[q, k] else 0 if sequence.elsewhere[q, k] else -1)
    older = sequence.stamps[:, None] - sequence.stamps >= sequence.gap_s * 1e9
    revisits = np.flatnonzero((sequence.same & older).any(axis=1))
    return Pairs(sequence.name, pairs, np.array(right, int), np.array(query, int), revisits, asked, sequence.laps)


def remembered(path: Path, make: Callable[[], Pairs]) -> Pairs:
    """Returns the pairs of a recording, found only where none were kept."""
    if not path.exists():
        made = make()
        content = dataclasses.asdict(made) | {n: getattr(made, n).tolist() for n in ("right", "query", "revisits")}
        path.write_text(json.dumps(content), encoding="utf-8")
    read = json.loads(path.read_text(encoding="utf-8"))
    read["pairs"] = [VerifiedPair(**pair | {"target": tuple(pair["target"])}) for pair in read["pairs"]]
    return Pairs(**read | {n: np.array(read[n], int) for n in ("right", "query", "revisits")})


def numbers(found: Pairs, law: EvidenceModel) -> Array:
    """Returns what the law weighs of the strongest run through each pair: means of its measures, log length; (N, 4)."""
    if not found.pairs:
        return np.empty((0, 4))
    counts = np.array([(p.inliers, p.matches, p.coverage, p.advance) for p in found.pairs], dtype=float)
    measures = law.measures(*counts.T)
    return np.array(
        [[*measures[list(run.members)].mean(axis=0), np.log(run.length)] for run in strongest(found.pairs, law)]
    )


def odds(found: Pairs, law: EvidenceModel) -> Array:
    """Returns the logarithm of the odds of each pair, (N,)."""
    return law.intercept + numbers(found, law) @ [*law.weights, law.length]


def fit(learned: Sequence[Pairs], similarity: bool) -> EvidenceModel:
    """Finds the law of some recordings."""
    law = START if similarity else dataclasses.replace(START, advance=0.0)
    used = np.array([True, True, similarity, True])
    for _ in range(ROUNDS):
        rows = np.concatenate([numbers(p, law)[p.usable] for p in learned])[:, used]
        right = np.concatenate([p.right[p.usable] for p in learned]) == 1
        weights = np.concatenate([np.full(p.usable.sum(), p.usable.sum() ** -0.5) for p in learned if p.usable.any()])
        for kind in (right, ~right):
            weights[kind] *= len(right) / 2 / weights[kind].sum()
        intercept, found = logistic(rows, right, weights)
        coefficients = np.zeros(4)
        coefficients[used] = found
        share, coverage, advance, length = coefficients.tolist()
        law = dataclasses.replace(
            law, intercept=intercept, share=share, coverage=coverage, advance=advance, length=length
        )
    return law


def logistic(rows: Array, right: Table, weights: Array) -> tuple[float, Array]:
    """Returns intercept and coefficients, none negative, of a weighted logistic regression with a ridge."""
    spread, sign = rows.std(axis=0) + 1e-9, np.where(right, 1.0, -1.0)
    scaled = rows / spread

    def loss(at: Array) -> tuple[float, Array]:
        margin = sign * (at[0] + scaled @ at[1:])
        pull = -weights * sign * expit(-margin)
        value = float(weights @ np.logaddexp(0, -margin) + RIDGE / 2 * at[1:] @ at[1:])
        return value, np.concatenate([[pull.sum()], scaled.T @ pull + RIDGE * at[1:]])

    bounds = [(None, None), *[(0, None)] * rows.shape[1]]
    at = minimize(loss, np.zeros(1 + rows.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B").x
    return float(at[0]), at[1:] / spread


def left_out(recordings: Sequence[Pairs], similarity: bool) -> dict[str, Array]:
    """Returns the odds of each recording's pairs by the law of the others; towns leave one another out."""
    found = {}
    for out in recordings:
        kin = {p.name for p in recordings if p is out or (p.name.startswith("town") and out.name.startswith("town"))}
        found[out.name] = odds(out, fit([p for p in recordings if p.name not in kin], similarity))
    return found


def look_alikes(recordings: Sequence[Pairs], scores: dict[str, Array]) -> Array:
    """Returns the largest odds of each query whose pairs are all wrong, descending."""
    most = []
    for p in recordings:
        if p.laps:
            continue
        for q in np.unique(p.query):
            of_query = p.query == q
            if (p.right[of_query] == 0).all():
                most.append(scores[p.name][of_query].max())
    return np.sort(np.array(most))[::-1]


def tail(wrong: Array) -> tuple[float, float]:
    """Returns where the upper tail of look-alikes' odds begins and its mean excess."""
    level = float(np.quantile(wrong, TAIL_QUANTILE))
    return level, float(wrong[wrong > level].mean() - level)


def rated(law: EvidenceModel, wrong: Array) -> EvidenceModel:
    """Returns a law whose odds are those of a false closure among equally many look-alikes and revisits."""
    level, scale = tail(wrong)
    # Share of look-alikes above odds o is (1 - quantile) exp(-(o - level) / scale); nearly all revisits are above.
    shift = -np.log(1 - TAIL_QUANTILE) - level / scale
    return dataclasses.replace(
        law,
        intercept=law.intercept / scale + shift,
        share=law.share / scale,
        coverage=law.coverage / scale,
        advance=law.advance / scale,
        length=law.length / scale,
    )


def recall(found: Pairs, sure: Table) -> float:
    """Returns the share of the revisits with a right closure near."""
    right = found.query[sure & (found.right == 1)]
    if not len(right):
        return 0.0
    return float(np.mean([np.abs(right - at).min() <= FOUND_WITHIN for at in found.revisits]))


def show(recordings: Sequence[Pairs], scores: dict[str, Array], wrong: Array) -> str:
    """Returns the table of what each recording gets by a law that never saw it."""
    level, scale = tail(wrong)
    rows = ["| recording | pairs right / wrong | " + " | ".join(f"{r:g}" for r in RATES) + " |"]
    rows.append("|---" * (len(RATES) + 2) + "|")
    cells: dict[float, list[int]] = {rate: [] for rate in RATES}
    for p in recordings:
        line = f"| {p.name} | {(p.right == 1).sum()} / {(p.right == 0).sum()} |"
        for rate in RATES:
            least = level + scale * (np.log(1 / rate - 1) + np.log(1 - TAIL_QUANTILE))
            sure = scores[p.name] >= least
            false = len(np.unique(p.query[sure & (p.right == 0)]))
            cells[rate].append(0 if p.laps else false)
            line += f" {f'{recall(p, sure):.2f}, ' if len(p.revisits) else ''}{false} false |"
        rows.append(line)
    asked = sum(p.asked for p in recordings if not p.laps)
    rows.append(f"| realized, of {asked} queries | |" + "".join(f" {sum(cells[r]) / asked:.4f} |" for r in RATES))
    return "\n".join(rows)


def draw(recordings: Sequence[Pairs], scores: dict[str, Array], wrong: Array, path: Path) -> None:
    """Draws the odds of right and wrong pairs, each by a law that never saw its recording."""
    level, scale = tail(wrong)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    bins = np.linspace(-15, 25, 81)
    for kind, label in ((1, "right"), (0, "wrong")):
        shown = np.concatenate([scores[p.name][(p.right == kind) & p.usable] for p in recordings])
        left.hist(np.clip(shown, bins[0], bins[-1]), bins, density=True, alpha=0.6, label=f"{len(shown)} {label} pairs")
    left.set(xlabel="log odds of the run, recording left out", ylabel="density")
    left.legend()
    right.step(wrong, np.arange(1, len(wrong) + 1) / len(wrong), where="post", label=f"{len(wrong)} look-alike queries")
    at = np.linspace(level, level + 8 * scale, 50)
    right.plot(at, (1 - TAIL_QUANTILE) * np.exp(-(at - level) / scale), "--", label="exponential tail")
    right.set(yscale="log", xlabel="log odds of the strongest run", ylabel="share above")
    right.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Fits, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with sequences/, robot_run/ and ie_tower/")
    parser.add_argument("towns", type=Path, help="folder of the simulated recordings")
    parser.add_argument("out", type=Path, help="folder for pairs and pictures")
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 3), metavar=("FIRST", "LAST"))
    parser.add_argument("--model", default="a2gc-efficientnet-lite0", help="named model or ONNX file")
    parser.add_argument("--write", action="store_true", help=f"write {FILE} into the package")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    extractor = open_extractor(arguments.model, threads=1)
    model = extractor.spec.fingerprint
    sequences = list(real(arguments.data))
    paths = [arguments.towns / f"towns_seed_{n}.mcap" for n in range(arguments.seeds[0], arguments.seeds[1] + 1)]
    sequences += [town(path) for path in paths if path.exists()]
    recordings = [
        remembered(arguments.out / f"{s.name}_{model[:8]}.json", lambda s=s: pairs_of(s, extractor))  # type: ignore[misc]
        for s in track(sequences, "recordings", console=Console(stderr=True))
    ]
    laws = {}
    for key, similarity in (("with_similarity", True), ("without_similarity", False)):
        scores = left_out(recordings, similarity)
        wrong = look_alikes(recordings, scores)
        laws[key] = rated(fit(recordings, similarity), wrong)
        print(f"{key}: {laws[key]}\n\n{show(recordings, scores, wrong)}\n")
        draw(recordings, scores, wrong, arguments.out / f"evidence_{key}.png")
    if arguments.write:
        content = {
            "version": VERSION,
            "fitted_on": {p.name: [int((p.right == 1).sum()), int((p.right == 0).sum())] for p in recordings},
            "fingerprints": {model: extractor.spec.name},
            **{key: {n: round(v, 3) for n, v in dataclasses.asdict(law).items()} for key, law in laws.items()},
        }
        package = Path(__file__).parents[1] / "a2gc_ros" / "loops" / FILE
        package.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
