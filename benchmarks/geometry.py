"""How well the geometric check knows where the camera is, on simulated towns with exact truth.

    python benchmarks/geometry.py TOWN.mcap ... [--every 3] [--raw FILE.json]
    python benchmarks/geometry.py --join FILE.json ... [--json FILE.json]

Every keyframe (1 m apart) of a recording of `a2gc simulate` goes into a map. Every n-th of them that comes back to a
place (an older one by 30 s or more lies within 8 m and looks the same way within 35 degrees) is then asked for. Two
questions are put:

- closures: against the truly nearest of the older keyframes, so that recognition plays no part. How often is the place
  verified, how often with a pose in metres, how far off is the pose, and is its covariance right: the normalized error
  squared (NEES) of a right covariance is a chi-square variable with six degrees of freedom, of mean 6, and below 12.59
  in 95 %;
- relocalization: against the ten most similar of all older keyframes by the model that ships; the first one that
  gives metres counts; one image alone, no sequence. Success within the usual classes of global localization (Sattler et
  al., CVPR 2018): 0.25 m and 2 degrees, 0.5 m and 5 degrees, 5 m and 10 degrees.

Errors are those of the query's camera in the keyframe's.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from closure_runs import SharedViews, Walk
from closure_runs import town as read_town
from stored_views import store

from a2gc_ros import geometry
from a2gc_ros.bags import open_recording
from a2gc_ros.extract import open_extractor
from a2gc_ros.geometry import Pose
from a2gc_ros.loops import LoopConfig, Verification
from a2gc_ros.loops.verification import GeometricVerifier, View
from a2gc_ros.placemap import Manifest, PlaceMap

OLDER_S, NEAR_M, NEAR_RAD = 30.0, 8.0, np.deg2rad(35)
CLASSES = ((0.25, 2.0), (0.5, 5.0), (5.0, 10.0))
NEES_95 = 12.59
MOST_SIMILAR = 10


@dataclass(frozen=True)
class Kept:
    """A keyframe in the map, with what only the truth knows."""

    id: int
    stamp_ns: int
    t_world_camera: Pose
    descriptor: npt.NDArray[np.float32]
    view: View


@dataclass
class Answers:
    """What came of the questions.

    Attributes:
        asked: How many.
        reasons: Why there was no pose in metres.
        verified: Places that were verified.
        metres: Error of the position of each pose in metres.
        degrees: Of its rotation.
        nees: Its normalized error squared.
    """

    asked: int = 0
    verified: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    metres: list[float] = field(default_factory=list)
    degrees: list[float] = field(default_factory=list)
    nees: list[float] = field(default_factory=list)

    def add(self, verification: Verification, truth: Pose) -> None:
        """Judges one answer by the true ``t_keyframe_query``."""
        self.asked += 1
        self.verified += verification.verified
        if not verification.scale_known:
            self.reasons[verification.reason] = self.reasons.get(verification.reason, 0) + 1
            return
        assert verification.relative_pose is not None
        assert verification.covariance is not None
        turned = verification.relative_pose[:3, :3] @ truth[:3, :3].T
        error = np.r_[verification.relative_pose[:3, 3] - truth[:3, 3], cv2.Rodrigues(turned)[0].ravel()]
        self.metres.append(float(np.linalg.norm(error[:3])))
        self.degrees.append(float(np.rad2deg(np.linalg.norm(error[3:]))))
        self.nees.append(float(error @ np.linalg.solve(verification.covariance, error)))

    def within(self, metres: float, degrees: float) -> float:
        """Returns the share of all questions that were answered that well."""
        good = (np.array(self.metres) <= metres) & (np.array(self.degrees) <= degrees)
        return float(good.sum()) / max(1, self.asked)


def keep(walk: Walk, verifier: GeometricVerifier, place_map: PlaceMap) -> list[Kept]:
    """Stores the keyframes of a walk as a new session, with their features."""
    session = place_map.add_session(walk.name)
    kept = []
    for frame, descriptor, t_world_base in zip(walk.frames, walk.descriptors, walk.truth, strict=True):
        if frame.t_base_camera is None:
            continue
        view = verifier.view_of_frame(frame)
        keyframe_id = store(place_map, session.id, frame, descriptor, view, verifier)
        kept.append(Kept(keyframe_id, frame.stamp_ns, t_world_base @ frame.t_base_camera, descriptor, view))
    return kept


def same_view(query: Kept, older: list[Kept]) -> Kept | None:
    """Returns the nearest older keyframe that sees the same, or None."""
    near = [
        other
        for other in older
        if geometry.distance(query.t_world_camera, other.t_world_camera) <= NEAR_M
        and geometry.rotation_angle(query.t_world_camera, other.t_world_camera) <= NEAR_RAD
    ]
    return min(near, key=lambda other: geometry.distance(query.t_world_camera, other.t_world_camera), default=None)


class Examiner:
    """Asks about walks, one after the other.

    Args:
        every: Every n-th keyframe is asked for.
        config: Settings of the check.
    """

    def __init__(self, every: int, config: LoopConfig) -> None:
        self._every = every
        self._config = config
        self.closures, self.relocalizations = Answers(), Answers()
        self.milliseconds: dict[str, list[float]] = {"verification": []}

    def ask(self, walk: Walk, views: dict[int, View] | None = None) -> None:
        """Asks about one walk.

        Args:
            walk: The keyframes of a town.
            views: Local features that were found already, by stamp.
        """
        verifier = SharedViews(self._config, {} if views is None else views)
        with PlaceMap.create(":memory:", Manifest("f" * 64, walk.descriptors.shape[1])) as place_map:
            kept = keep(walk, verifier, place_map)
            for query in kept[:: self._every]:
                older = [other for other in kept if other.stamp_ns < query.stamp_ns - OLDER_S * 1e9]
                nearest = same_view(query, older)
                if nearest is None:
                    continue
                verification = self._verify(verifier, place_map, query, nearest)
                self.closures.add(verification, geometry.relative(nearest.t_world_camera, query.t_world_camera))
                self._relocalize(verifier, place_map, query, older, kept)

    def _verify(self, verifier: GeometricVerifier, place_map: PlaceMap, query: Kept, keyframe: Kept) -> Verification:
        begin = time.perf_counter()
        verification = verifier.verify(query.view, verifier.view_of_keyframe(place_map, keyframe.id))
        self.milliseconds["verification"].append((time.perf_counter() - begin) * 1e3)
        return verification

    def _relocalize(
        self, verifier: GeometricVerifier, place_map: PlaceMap, query: Kept, older: list[Kept], kept: list[Kept]
    ) -> None:
        by_id = {other.id: other for other in older}
        younger = np.array([other.id for other in kept if other.id not in by_id], dtype=np.int64)
        _, ids = place_map.search(query.descriptor, MOST_SIMILAR, exclude=younger)
        answer, truth = Verification(False, reason="nothing to compare with"), np.eye(4)
        for keyframe_id in ids[0][ids[0] >= 0]:
            candidate = by_id[int(keyframe_id)]
            answer = self._verify(verifier, place_map, query, candidate)
            truth = geometry.relative(candidate.t_world_camera, query.t_world_camera)
            if answer.scale_known:
                break
        self.relocalizations.add(answer, truth)


def time_features(examiner: Examiner, recording: Path, config: LoopConfig) -> None:
    """Measures what finding, writing and reading features takes."""
    verifier = GeometricVerifier(config)
    finding, writing = [], []
    with open_recording(recording) as source:
        for number, frame in enumerate(source.frames(stop=30.0)):
            begin = time.perf_counter()
            view = verifier.view_of_frame(frame)
            found = time.perf_counter()
            verifier.encoded(view)
            if number:
                finding.append((found - begin) * 1e3)
                writing.append((time.perf_counter() - found) * 1e3)
    examiner.milliseconds |= {"features": finding, "writing features": writing}


@dataclass
class Raw:
    """Everything that was measured, before it is summed up."""

    towns: int
    closures: Answers
    relocalizations: Answers
    milliseconds: dict[str, list[float]]

    def join(self, path: Path) -> None:
        """Adds what another run wrote."""
        self.add(json.loads(path.read_text()))

    def add(self, other: dict[str, Any]) -> None:
        """Adds what another run measured."""
        self.towns += other["towns"]
        for mine, theirs in ((self.closures, other["closures"]), (self.relocalizations, other["relocalizations"])):
            mine.asked += theirs["asked"]
            mine.verified += theirs["verified"]
            for reason, count in theirs["reasons"].items():
                mine.reasons[reason] = mine.reasons.get(reason, 0) + count
            mine.metres += theirs["metres"]
            mine.degrees += theirs["degrees"]
            mine.nees += theirs["nees"]
        for stage, values in other["milliseconds"].items():
            self.milliseconds[stage] = self.milliseconds.get(stage, []) + values


def report(raw: Raw) -> dict[str, Any]:
    """Returns the figures."""
    closures, relocalizations = raw.closures, raw.relocalizations
    metres, nees = np.array(closures.metres), np.array(closures.nees)
    found = np.array(relocalizations.metres)
    return {
        "towns": raw.towns,
        "closures": {
            "asked": closures.asked,
            "verified": closures.verified / max(1, closures.asked),
            "metric": len(metres) / max(1, closures.asked),
            "metric of verified": len(metres) / max(1, closures.verified),
            "metres median, 95 %, max": np.percentile(metres, [50, 95, 100]).tolist(),
            "degrees median, 95 %, max": np.percentile(closures.degrees, [50, 95, 100]).tolist(),
            "NEES median (5.35)": float(np.median(nees)),
            "NEES mean (6)": float(nees.mean()),
            "NEES below 12.59 (0.95)": float((nees < NEES_95).mean()),
            "no metres because": closures.reasons,
        },
        "relocalization": {
            "asked": relocalizations.asked,
            **{f"within {m} m, {d:g} deg": relocalizations.within(m, d) for m, d in CLASSES},
            "answered": len(found) / max(1, relocalizations.asked),
            "metres median, 95 %, max": np.percentile(found, [50, 95, 100]).tolist(),
            "wrong by more than 5 m": int((found > 5).sum()),
        },
        "milliseconds median, 95 %": {
            stage: np.percentile(values, [50, 95]).tolist() for stage, values in raw.milliseconds.items()
        },
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("towns", type=Path, nargs="*", help="recordings of a2gc simulate")
    parser.add_argument("--every", type=int, default=3, help="every n-th keyframe is asked for")
    parser.add_argument("--features", default="sift", choices=["sift", "corners", "orb"])
    parser.add_argument("--raw", type=Path, help="where everything measured goes, for --join")
    parser.add_argument("--join", type=Path, nargs="*", default=[], help="what other runs measured")
    parser.add_argument("--json", type=Path, help="where the figures go, besides")
    arguments = parser.parse_args()
    # One thread, as on a computer that has other things to do.
    cv2.setNumThreads(1)
    config = LoopConfig(features=arguments.features)
    examiner = Examiner(arguments.every, config)
    extractor = open_extractor("a2gc-efficientnet-lite0", threads=1)
    raw = Raw(0, examiner.closures, examiner.relocalizations, examiner.milliseconds)
    for path in arguments.join:
        raw.join(path)
    for town in arguments.towns:
        examiner.ask(read_town(town, extractor))
        raw.towns += 1
        print(f"{town.name}: {examiner.closures.asked} asked so far", flush=True)
        # After each town, so that what was measured survives an interruption.
        if arguments.raw:
            arguments.raw.write_text(json.dumps(asdict(raw)))
    if arguments.towns:
        time_features(examiner, arguments.towns[0], config)
    figures = {"settings": {"every": arguments.every, **asdict(config)}, **report(raw)}
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
