"""Can my computer do this? What each stage takes, beside an older state of the project and beside plain OpenCV.

    python benchmarks/speed.py --against OTHER_CHECKOUT [--rounds 3] [--json FILE.json]

Every number is processor time, all threads together, so that a machine that others use as well gives nearly the numbers
of an idle one; both checkouts run in turn in processes of their own, and what is quoted is the median of the rounds and
the ratio of the two. Images are those of the demo recording, resized; a stretch of its second lap is asked for against
the first.

- describe: resize and model; every image pays it.
- features: local features; every keyframe pays it.
- compare: matches and the robust fit of two views; up to five nearest keyframes of every keyframe.
- verify: compare, and the pose with its covariance, the first time a keyframe of the map is asked for, and again.
- search: the ten nearest of a map of so many keyframes; every image.
- chain: the whole of it over the recording's first 160 keyframes and the stretch, per keyframe.
- SIFT + FLANN + E: OpenCV's SIFT, FLANN with the ratio test, findEssentialMat (RANSAC) and recoverPose: the usual way.
- ORB + E: 1,000 ORB features in 8 levels, matched by brute force: what ORB-SLAM extracts for an image.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "maps/demo/town.mcap"
SIZES = ((320, 240), (640, 480), (1280, 720))
MAPS = (1_000, 10_000, 100_000)
REVISITS = 10
AROUND = 14
RATES_HZ = (5, 10, 20, 30)
COMPARED = 5


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


def resized(frame: Any, size: tuple[int, int], *, calibrated: bool) -> Any:
    """Returns a frame at another size."""
    from dataclasses import replace

    image = cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC)
    intrinsics = frame.intrinsics.scaled_to(*size) if calibrated else None
    return replace(frame, image=image, intrinsics=intrinsics)


def measure(size: tuple[int, int], *, calibrated: bool) -> dict[str, float]:
    """Measures the stages in this process, with the package that is on the path."""
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.loops import LoopConfig, LoopDetector
    from a2gc_ros.loops.verification import GeometricVerifier
    from a2gc_ros.placemap import Manifest, PlaceMap
    from a2gc_ros.placemap.thumbnails import intrinsics_json

    keyframes, queries = ([resized(f, size, calibrated=calibrated) for f in frames] for frames in stretch())
    extractor, verifier, watch = (
        open_extractor("a2gc-mobilenetv2", threads=1),
        GeometricVerifier(LoopConfig()),
        Stopwatch(),
    )
    extractor.extract_one(queries[0].image)
    with PlaceMap.create(":memory:", Manifest(extractor.spec.fingerprint, extractor.spec.descriptor_dim)) as place_map:
        session = place_map.add_session("first lap")
        for frame in keyframes:
            descriptor = watch("describe", extractor.extract_one, frame.image)
            view = watch("features", verifier.view_of_frame, frame)
            place_map.add(
                session.id,
                frame.stamp_ns,
                descriptor,
                pose=frame.pose,
                intrinsics_json=intrinsics_json(frame.intrinsics),
                t_base_camera=frame.t_base_camera,
                features=verifier.encoded(view),
            )
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
    whole = Stopwatch()
    with PlaceMap.create(":memory:", Manifest(extractor.spec.fingerprint, extractor.spec.descriptor_dim)) as place_map:
        detector = LoopDetector(LoopConfig(min_agreeing=1), place_map)
        for number, frame in enumerate((*keyframes, *queries)):
            stage = "chain, new place" if number < len(keyframes) else "chain, revisit"
            whole(stage, recognised, extractor, detector, frame)
    return watch.medians() | whole.medians()


def recognised(extractor: Any, detector: Any, frame: Any) -> Any:
    """Describes a frame and looks for its place."""
    return detector.process(frame, extractor.extract_one(frame.image))


def baseline(watch: Stopwatch, query: Any, keyframe: Any) -> None:
    """Times what OpenCV's own parts take for the query, and for one pair."""
    grey = [cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY) for frame in (query, keyframe)]
    matrix = np.array([[0.65 * grey[0].shape[1], 0, 0], [0, 0.65 * grey[0].shape[1], 0], [0, 0, 1.0]])
    for name, detector, matcher, ratio in (
        ("SIFT", cv2.SIFT.create(1000), cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50}), 0.75),
        ("ORB", cv2.ORB.create(1000, 1.2, 8), cv2.BFMatcher(cv2.NORM_HAMMING), 0.75),
    ):
        points, descriptors = watch(f"OpenCV {name}, features", detector.detectAndCompute, grey[0], None)
        others = detector.detectAndCompute(grey[1], None)
        watch(f"OpenCV {name}, pair", pair, matcher, (points, descriptors), others, ratio, matrix)


def pair(matcher: Any, a: Any, b: Any, ratio: float, matrix: Any) -> None:
    """Matches the keypoints and descriptors of two images and finds their motion."""
    found = [m for m, n in matcher.knnMatch(a[1], b[1], k=2) if m.distance < ratio * n.distance]
    if len(found) < 8:
        return
    one, two = np.array([a[0][m.queryIdx].pt for m in found]), np.array([b[0][m.trainIdx].pt for m in found])
    essential, mask = cv2.findEssentialMat(one, two, matrix, cv2.RANSAC, 0.999, 1.0)
    if essential is not None and essential.shape == (3, 3):
        cv2.recoverPose(essential, one, two, matrix, mask=mask)


def search(count: int) -> float:
    """Measures the search of one descriptor in a map of so many keyframes, milliseconds."""
    from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap

    rng, watch = np.random.default_rng(0), Stopwatch()
    with PlaceMap.create(":memory:", Manifest("f" * 64, 1024)) as place_map:
        session = place_map.add_session("a")
        for first in range(0, count, 1000):
            drawn = rng.standard_normal((1000, 1024), dtype=np.float32)
            drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
            place_map.add_many(session.id, [NewKeyframe(first + i, row) for i, row in enumerate(drawn)])
        place_map.prepare()
        for row in drawn[:50]:
            watch("search", place_map.search, row, 10)
    return watch.medians()["search"]


def run(checkout: Path, size: tuple[int, int], threads: int, *, calibrated: bool) -> dict[str, float]:
    """Measures in a process of its own, with a checkout's package."""
    path = os.pathsep.join([str(checkout), str(checkout / "training")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--worker", *map(str, size), str(threads), str(int(calibrated))]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the stages as Markdown: milliseconds of processor time, and the ratio to the other checkout."""
    lines = []
    for row in rows:
        width, height = row["size"]
        camera = "calibrated" if row["calibrated"] else "not calibrated"
        lines += [
            f"\n{width}x{height}, {camera}, {row['threads']} thread(s)\n",
            "| stage | ms | ratio |",
            "|---|---|---|",
        ]
        for stage, spent in row["ours"].items():
            other = row["other"].get(stage)
            ratio = "" if other is None or stage.startswith("OpenCV") else f"{spent / other:.2f}"
            lines.append(f"| {stage} | {spent:.1f} | {ratio} |")
    return "\n".join(lines)


def shares(row: dict[str, Any], searched_ms: float) -> dict[str, float]:
    """Returns the share of one core at each rate: every image described and searched, a revisited keyframe a second."""
    ours = row["ours"]
    image = ours["describe"] + searched_ms
    keyframe = ours["chain, revisit"] - ours["describe"]
    return {f"{rate} Hz": (rate * image + keyframe) / 1e3 for rate in RATES_HZ}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout, such as one of an older commit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", nargs=4, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        width, height, threads, calibrated = arguments.worker
        cv2.setNumThreads(threads)
        print(json.dumps(measure((width, height), calibrated=bool(calibrated))))
        return
    rows = []
    for size in SIZES:
        for threads in arguments.threads:
            for calibrated in (True, False) if threads == 1 else (True,):
                rounds: dict[str, list[dict[str, float]]] = {"ours": [], "other": []}
                for _ in range(arguments.rounds):
                    rounds["ours"].append(run(ROOT, size, threads, calibrated=calibrated))
                    if arguments.against:
                        rounds["other"].append(run(arguments.against, size, threads, calibrated=calibrated))
                both = {
                    side: {stage: float(np.median([r[stage] for r in found])) for stage in found[0]} if found else {}
                    for side, found in rounds.items()
                }
                rows.append({"size": size, "threads": threads, "calibrated": calibrated, **both})
                print(table(rows[-1:]), flush=True)
    searches = {str(count): search(count) for count in MAPS}
    cpu = {
        f"{r['size'][0]}x{r['size'][1]}": shares(r, searches["10000"])
        for r in rows
        if r["threads"] == 1 and r["calibrated"]
    }
    print("\nsearch, ms:", searches, "\nshare of one core, map of 10,000:", json.dumps(cpu))
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"rows": rows, "search_ms": searches, "share_of_a_core": cpu}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
