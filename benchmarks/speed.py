"""Can my computer do this? What each stage takes, beside an older state of the project and beside plain OpenCV.

    python benchmarks/speed.py --against OTHER_CHECKOUT --out benchmarks/results/speed
    python benchmarks/speed.py --sizes 640x480 --maps 1000

Both checkouts run in turn in processes of their own, each with the model that it ships, over images of the demo
recording, resized; a stretch of its second lap is asked for against the first. Stages are processor time, all threads
together, so that a machine that others use as well gives nearly the numbers of an idle one; what is quoted is the
median of the rounds and the ratio of the two. A checkout that measures nothing of a name has no ratio.

- describe: resize and model; every image pays it.
- features: local features; every keyframe pays it.
- compare: matches and the robust fit of two views; up to five nearest keyframes of every keyframe.
- verify: compare, and the pose with its covariance, the first time a keyframe of the map is asked for, and again.
- chain: the whole of it, per keyframe, one after the other.
- the usual way: OpenCV's SIFT, FLANN with the ratio test, findEssentialMat (RANSAC) and recoverPose for five keyframes.
- as ORB-SLAM: 1,000 ORB features in 8 levels, matched by brute force, the same five times.

Then the whole replay of the recording's first seconds as `a2gc replay` runs it, frames overlapping: wall time from one
answer to the next, of images that revisit a place, in total, and the memory. Then the search in a map of so many
keyframes, the ten nearest of every image; and what share of one core the node takes at a camera's rate.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "maps/demo/town.mcap"
CELLS = ((1, True), (1, False), (2, True))
"""Threads, and whether the camera is calibrated."""

REVISITS = 10
AROUND = 14
RATES_HZ = (5, 10, 20, 30)
COMPARED = 5
DIM = 2048
SEARCHES = 50


@dataclass(frozen=True)
class Row:
    """What one job says in both checkouts.

    Attributes:
        job: What was measured: stages, replay or search, with its settings.
        ours: Median of each number.
        other: The same of the other checkout; empty without one.
    """

    job: dict[str, Any]
    ours: dict[str, float]
    other: dict[str, float]


class Stopwatch:
    """Gathers processor time of stages, milliseconds."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = {}

    def __call__(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Does the work, and notes what it took."""
        begin = time.process_time()
        result = work(*arguments)
        self.ms.setdefault(stage, []).append((time.process_time() - begin) * 1e3)
        return result

    def medians(self) -> dict[str, float]:
        """Returns the median of each stage."""
        return {stage: float(np.median(values)) for stage, values in self.ms.items()}


def shipped_extractor(threads: int) -> Any:
    """Opens the model that ships with the package on the path."""
    import a2gc_ros
    from a2gc_ros.extract import open_extractor

    model = next((Path(a2gc_ros.__file__).parent / "shipped").glob("*.onnx"))
    return open_extractor(model.stem, threads=threads)


def steps_ahead(threads: int) -> dict[str, int]:
    """Divides the cores as the package on the path does, and returns how `run_offline` is told."""
    from a2gc_ros.images import ahead

    return {"ahead": ahead.share_cores(threads)} if hasattr(ahead, "share_cores") else {}


def beside(threads: int) -> dict[str, Any]:
    """Returns how the detector of the package on the path is told of its threads, as `a2gc replay` shares them."""
    from a2gc_ros.loops import LoopDetector

    return {"threads": max(1, threads // 2)} if "threads" in inspect.signature(LoopDetector).parameters else {}


def stretch() -> tuple[list[Any], list[Any]]:
    """Returns keyframes of the first lap, and frames of the second that come by them."""
    from a2gc_ros.bags import open_recording
    from a2gc_ros.placemap.selection import KeyframeSelector, Spacing

    selector = KeyframeSelector(Spacing())
    with open_recording(RECORDING) as recording:
        kept = [f for f in recording.frames() if selector.select(f.stamp_ns, f.pose, np.zeros(1, np.float32))]
    at = np.array([frame.pose[:2, 3] for frame in kept if frame.pose is not None])
    second = next(i for i in range(200, len(kept)) if np.linalg.norm(at[:100] - at[i], axis=1).min() < 2)
    nearest = int(np.linalg.norm(at[:100] - at[second], axis=1).argmin())
    first = max(0, nearest - AROUND)
    return kept[first : nearest + REVISITS + AROUND], kept[second : second + REVISITS]


def resized(frame: Any, size: Sequence[int], *, calibrated: bool) -> Any:
    """Returns a frame at another size (width, height)."""
    width, height = size
    image = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_CUBIC)
    return replace(frame, image=image, intrinsics=frame.intrinsics.scaled_to(width, height) if calibrated else None)


def stages(size: Sequence[int], threads: int, calibrated: bool) -> dict[str, float]:
    """Measures the stages, milliseconds of processor time."""
    from stored_views import store

    from a2gc_ros.loops import LoopConfig, LoopDetector
    from a2gc_ros.loops.verification import GeometricVerifier
    from a2gc_ros.placemap import Manifest, PlaceMap

    steps_ahead(threads)
    cv2.setNumThreads(threads)
    keyframes, queries = ([resized(f, size, calibrated=calibrated) for f in frames] for frames in stretch())
    extractor, verifier, watch = shipped_extractor(threads), GeometricVerifier(LoopConfig()), Stopwatch()
    extractor.extract_one(queries[0].image)
    manifest = Manifest(extractor.spec.fingerprint, extractor.spec.descriptor_dim)
    with PlaceMap.create(":memory:", manifest) as place_map:
        session = place_map.add_session("first lap")
        for frame in keyframes:
            descriptor = watch("describe", extractor.extract_one, frame.image)
            view = watch("features", verifier.view_of_frame, frame)
            store(place_map, session.id, frame, descriptor, view, verifier)
        places = np.array([frame.pose[:2, 3] for frame in keyframes])
        for frame in queries:
            view = verifier.view_of_frame(frame)
            nearest = int(np.linalg.norm(places - frame.pose[:2, 3], axis=1).argmin()) + 1
            keyframe = verifier.view_of_keyframe(place_map, nearest)
            if hasattr(verifier, "compare"):
                watch("compare", verifier.compare, view, keyframe)
            watch("verify, first", verifier.verify, view, keyframe)
            watch("verify, again", verifier.verify, view, keyframe)
            baseline(watch, frame, keyframes[nearest - 1])
    found = watch.medians()
    if "compare" in found:
        with PlaceMap.create(":memory:", manifest) as place_map:
            found |= chain(LoopDetector(LoopConfig(min_agreeing=1), place_map), extractor, keyframes, queries)
    for name, way in (("SIFT", "the usual way"), ("ORB", "as ORB-SLAM")):
        found[way] = found.pop(f"{name}, features") + COMPARED * found.pop(f"{name}, pair")
    return found


def chain(detector: Any, extractor: Any, keyframes: Sequence[Any], queries: Sequence[Any]) -> dict[str, float]:
    """Measures the whole, where every query is compared; older states did only after several had looked alike."""
    watch = Stopwatch()
    for number, frame in enumerate((*keyframes, *queries)):
        stage = "chain, new place" if number < len(keyframes) else "chain, revisit"
        watch(stage, lambda seen: detector.process(seen, extractor.extract_one(seen.image)), frame)
    return watch.medians()


def baseline(watch: Stopwatch, query: Any, keyframe: Any) -> None:
    """Times what OpenCV's own parts take for the query, and for one pair."""
    gray = [cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY) for frame in (query, keyframe)]
    matrix = np.array([[0.65 * gray[0].shape[1], 0, 0], [0, 0.65 * gray[0].shape[1], 0], [0, 0, 1.0]])
    for name, detector, matcher in (
        ("SIFT", cv2.SIFT.create(1000), cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50})),
        ("ORB", cv2.ORB.create(1000, 1.2, 8), cv2.BFMatcher(cv2.NORM_HAMMING)),
    ):
        found = watch(f"{name}, features", detector.detectAndCompute, gray[0], None)
        watch(f"{name}, pair", pair, matcher, found, detector.detectAndCompute(gray[1], None), matrix)


def pair(matcher: Any, a: Any, b: Any, matrix: Any) -> None:
    """Matches the keypoints and descriptors of two images and finds their motion."""
    found = [m for m, n in matcher.knnMatch(a[1], b[1], k=2) if m.distance < 0.75 * n.distance]
    if len(found) < 8:
        return
    one, two = np.array([a[0][m.queryIdx].pt for m in found]), np.array([b[0][m.trainIdx].pt for m in found])
    essential, mask = cv2.findEssentialMat(one, two, matrix, cv2.RANSAC, 0.999, 1.0)
    if essential is not None and essential.shape == (3, 3):
        cv2.recoverPose(essential, one, two, matrix, mask=mask)


def replay(seconds: float, threads: int, features: str = "sift") -> dict[str, float]:
    """Measures the chain over the recording's first seconds, as `a2gc replay` runs it."""
    from a2gc_ros.bags import open_recording
    from a2gc_ros.loops import LoopConfig, LoopDetector
    from a2gc_ros.placemap import Manifest, PlaceMap
    from a2gc_ros.replay.offline import run_offline

    extractor = shipped_extractor(threads)
    steps = steps_ahead(threads)
    wall, spent = [time.perf_counter()], [time.process_time()]
    revisits = []

    def note(_frame: Any, detection: Any) -> None:
        wall.append(time.perf_counter())
        spent.append(time.process_time())
        revisits.append(bool(detection.verifications))

    manifest = Manifest(extractor.spec.fingerprint, extractor.spec.descriptor_dim)
    with open_recording(RECORDING) as recording, PlaceMap.create(":memory:", manifest) as place_map:
        detector = LoopDetector(LoopConfig(features=features), place_map, **beside(threads))
        run = run_offline(recording.frames(stop=seconds), extractor, detector, note, **steps)
    between = {"wall": np.diff(wall) * 1e3, "processor": np.diff(spent) * 1e3}
    facts = {
        f"{clock}, {name}": float(np.percentile(values[revisits], share))
        for clock, values in between.items()
        for name, share in (("median", 50), ("95 %", 95))
        if any(revisits)
    }
    facts |= {f"{clock}, whole": float(values.sum()) for clock, values in between.items()}
    facts["memory, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts["closures"] = len(run.accepted_pairs())
    return facts


def search(keyframes: int) -> dict[str, float]:
    """Measures the search of one descriptor in a map of so many keyframes, milliseconds of processor time."""
    from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap

    rng, watch = np.random.default_rng(0), Stopwatch()
    with PlaceMap.create(":memory:", Manifest("f" * 64, DIM)) as place_map:
        session = place_map.add_session("a")
        for first in range(0, keyframes, 1000):
            drawn = rng.standard_normal((1000, DIM), dtype=np.float32)
            drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
            place_map.add_many(session.id, [NewKeyframe(first + i, row) for i, row in enumerate(drawn)])
        place_map.prepare()
        for row in drawn[:SEARCHES]:
            watch("search", place_map.search, row, 10)
    return watch.medians()


WORK: dict[str, Callable[..., dict[str, float]]] = {"stages": stages, "replay": replay, "search": search}


def in_checkout(checkout: Path, job: dict[str, Any]) -> dict[str, float]:
    """Does a job in a process of its own, with a checkout's package."""
    path = os.pathsep.join([str(checkout), str(checkout / "training")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(job.get("threads", 1))}
    if job["kind"] == "replay":
        # As a user runs it.
        del environment["OMP_NUM_THREADS"]
    command = [sys.executable, __file__, "--worker", json.dumps(job)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(job: dict[str, Any], against: Path | None, rounds: int, features: str) -> Row:
    """Does a job in both checkouts in turn, and takes the median of each number over the rounds."""
    # Older checkouts know no others than SIFT and ORB.
    ours = {"features": features} if job["kind"] == "replay" else {}
    found: dict[str, list[dict[str, float]]] = {"ours": [], "other": []}
    for _ in range(rounds):
        found["ours"].append(in_checkout(ROOT, job | ours))
        if against:
            found["other"].append(in_checkout(against, job))
    sides = {
        side: {name: float(np.median([each[name] for each in every])) for name in every[0]} if every else {}
        for side, every in found.items()
    }
    return Row(job, **sides)


def cell(row: Row | None, name: str) -> str:
    """Returns a number and its ratio to the other checkout's as one cell of a table."""
    if row is None or name not in row.ours:
        return ""
    ours, other = row.ours[name], row.other.get(name)
    if name in ("the usual way", "as ORB-SLAM"):
        return f"{ours:.1f} (a revisit takes {row.ours['chain, revisit'] / ours:.2f} of it)"
    return f"{ours:.2f}" if other is None else f"{ours:.2f} ({ours / other:.2f})"


def tables(rows: Sequence[Row], settings: str, load: str) -> str:
    """Returns everything as Markdown."""
    lines = ["# What recognition costs", "", f"`python benchmarks/speed.py {settings}`; {load}.", ""]
    lines += ["Milliseconds; in brackets the ratio to the other checkout, measured in turn with it."]
    by = {kind: [row for row in rows if row.job["kind"] == kind] for kind in WORK}
    for size in dict.fromkeys(tuple(row.job["size"]) for row in by["stages"]):
        here = {(r.job["threads"], r.job["calibrated"]): r for r in by["stages"] if tuple(r.job["size"]) == size}
        titles = [f"{t} thread{'s' * (t > 1)}{'' if c else ', not calibrated'}" for t, c in here]
        lines += ["", f"## {size[0]}x{size[1]}, processor time", ""]
        lines += [f"| stage | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
        names = list(dict.fromkeys(name for row in here.values() for name in row.ours))
        lines += [f"| {name} | {' | '.join(cell(row, name) for row in here.values())} |" for name in names]
    if by["replay"]:
        lines += ["", "## Replay of the demo recording, frames overlapping", ""]
        titles = [f"first {r.job['seconds']:g} s, {r.job['threads']} threads" for r in by["replay"]]
        lines += [f"| | {' | '.join(titles)} |", "|---|" + "---|" * len(titles)]
        for name in by["replay"][0].ours:
            lines += [f"| {name} | {' | '.join(cell(row, name) for row in by['replay'])} |"]
    if by["search"]:
        lines += ["", f"## Search, {DIM} dimensions, processor time", "", "| keyframes | ms |", "|---|---|"]
        lines += [f"| {row.job['keyframes']:,} | {cell(row, 'search')} |" for row in by["search"]]
    lines += shares(by["stages"], by["search"])
    return "\n".join(lines) + "\n"


def shares(cells: Sequence[Row], searches: Sequence[Row]) -> list[str]:
    """Returns what share of one core each rate takes: every image described and searched, one revisit a second."""
    calibrated = [row for row in cells if row.job["threads"] == 1 and row.job["calibrated"]]
    if not calibrated or not searches:
        return []
    largest = searches[min(1, len(searches) - 1)]
    lines = ["", f"## Share of one core, a map of {largest.job['keyframes']:,}, one revisited keyframe a second", ""]
    lines += ["| image | " + " | ".join(f"{rate} Hz" for rate in RATES_HZ) + " |", "|---|" + "---|" * len(RATES_HZ)]
    for row in calibrated:
        image = row.ours["describe"] + largest.ours["search"]
        keyframe = row.ours["chain, revisit"] - row.ours["describe"]
        taken = [f"{(rate * image + keyframe) / 1e3:.2f}" for rate in RATES_HZ]
        lines += [f"| {row.job['size'][0]}x{row.job['size'][1]} | {' | '.join(taken)} |"]
    return lines


def main() -> None:
    """Measures, and writes the tables after each job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout, such as one of an older commit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="*", default=["320x240", "640x480", "1280x720"])
    parser.add_argument("--maps", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="keyframes")
    parser.add_argument("--replay", type=float, nargs="*", default=[180.0], metavar="SECONDS")
    parser.add_argument("--features", default="sift", help="of this checkout's replays")
    parser.add_argument("--out", type=Path, help="writes OUT.json and OUT.md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        job = json.loads(arguments.worker)
        work = WORK[job.pop("kind")]
        # The node and a replay find features in a thread of their own. glibc gives what the main one frees back to the
        # system after each image, and taking it again costs half of what SIFT does.
        with ThreadPoolExecutor(1) as pool:
            print(json.dumps(pool.submit(work, **job).result() if work is stages else work(**job)))
        return
    from kept_results import keep

    jobs: list[dict[str, Any]] = [
        {
            "kind": "stages",
            "size": [int(side) for side in size.split("x")],
            "threads": threads,
            "calibrated": calibrated,
        }
        for size in arguments.sizes
        for threads, calibrated in CELLS
    ]
    jobs += [{"kind": "replay", "seconds": seconds, "threads": 2} for seconds in arguments.replay]
    jobs += [{"kind": "search", "keyframes": keyframes} for keyframes in arguments.maps]
    rows: list[Row] = []
    before = os.getloadavg()[0]
    for number, job in enumerate(jobs, 1):
        rows.append(measured(job, arguments.against, arguments.rounds, arguments.features))
        beside = f"load of the machine {before:.1f} at its begin and {os.getloadavg()[0]:.1f} at its end"
        described = f"{os.cpu_count()} cores, {beside}, median of {arguments.rounds} round(s)"
        shown = "--against OTHER_CHECKOUT" if arguments.against else ""
        text = tables(rows, shown, described)
        if arguments.out:
            keep(arguments.out, described, rows, text)
        print(f"{number} of {len(jobs)}: {rows[-1]}", file=sys.stderr, flush=True)
    print(text)


if __name__ == "__main__":
    main()
