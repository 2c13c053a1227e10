"""From a recording to a report."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from a2gc_ros.bags import Recording, Trajectory, open_recording
from a2gc_ros.errors import BagError, ConfigError
from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.loops import Detection, LoopConfig
from a2gc_ros.placemap import PlaceMap
from a2gc_ros.placemap.records import Manifest
from a2gc_ros.replay.chain import ReplayOptions, run_chain, true_poses
from a2gc_ros.replay.foxglove_file import write_foxglove
from a2gc_ros.replay.ground_truth import GroundTruthPath
from a2gc_ros.replay.judged import Judged
from a2gc_ros.replay.live import run_live
from a2gc_ros.replay.poses import pose_facts, pose_note
from a2gc_ros.replay.records import RunRecord
from a2gc_ros.replay.report import Also, write_report
from a2gc_ros.replay.rerun_file import write_rerun
from a2gc_ros.system.installation import needs


def replay(
    options: ReplayOptions,
    on_frame: Callable[[int, int], None] = lambda _done, _total: None,
    on_closures: Callable[[int], None] = lambda _closures: None,
) -> dict[str, Any]:
    """Replays a recording and writes its report; returns the numbers of it.

    Args:
        options: What is replayed.
        on_frame: Called with images done and in total, while the offline part runs.
        on_closures: Called with how many closures there are by now, when one more was found.

    Raises:
        A2gcError: If the recording, a map, the model or a setting cannot be used, or the live graph fails.
    """
    config = LoopConfig(**options.loop)
    viewers = _viewers(options)
    options.report.mkdir(parents=True, exist_ok=True)
    extractor = open_extractor(options.model, backend=options.backend, threads=options.threads)
    with contextlib.ExitStack() as stack:
        recording = stack.enter_context(open_recording(options.bag))
        ours = partial(
            PlaceMap.open, read_only=True, fingerprint=extractor.spec.fingerprint, model_name=extractor.spec.name
        )
        maps = [stack.enter_context(ours(path)) for path in options.maps]
        truth, description = _truth(recording, options)
        live = None
        if options.live:
            answered = run_live(options, recording, model=extractor.spec.name, backend=extractor.backend)
            live = answered, stack.enter_context(PlaceMap.open(options.report / "live.a2gc", read_only=True))
        worked_on = {query.stamp_ns for query in live[0].queries} if live else None
        offline_map = stack.enter_context(PlaceMap.create(":memory:", Manifest.of(extractor.spec)))
        done, closures = itertools.count(1), 0

        def count(_: object, detection: Detection, total: int) -> None:
            nonlocal closures
            on_frame(next(done), total)
            if detection.closures:
                closures += len(detection.closures)
                on_closures(closures)

        offline = run_chain(options, recording, extractor, offline_map, count, maps=maps, only=worked_on)
        run, live_map = live or (offline, offline_map)
        facts = _agreement(run, offline, live_map, offline_map) if live else {}
        # Of an offline run, since the node's messages do not say why a pose is missing.
        poses = pose_facts(offline.queries)
        notes = [note for note in (*recording.notes, pose_note(poses)) if note]
        facts |= {"poses": poses, "notes": notes}
        rule = replace(options.rule, min_time_gap_s=config.min_time_gap_s, min_travel_m=config.min_travel_m)
        judged = Judged(
            recording=options.bag.name,
            run=run,
            followed=offline,
            live=live_map,
            maps=maps,
            config=config,
            path=_true_path(live_map, truth),
            map_paths={i: path for i, m in enumerate(maps, 1) if (path := _true_path(m, truth)) is not None},
            rule=rule,
            truth=description,
            facts=facts,
        )
        return write_report(judged, options.report, viewers)


def _viewers(options: ReplayOptions) -> list[Also]:
    """What is written of a run besides its report; says what is missing before minutes are spent."""
    also: list[Also] = []
    known = (options.rerun, "rerun", write_rerun), (options.foxglove, "foxglove", write_foxglove)
    for wanted, module, write in known:
        if wanted is not None:
            if importlib.util.find_spec(module) is None:
                raise ConfigError(needs(f"Writing {wanted}", f"{module}-sdk", module))
            also.append(partial(write, wanted))
    return also


def _agreement(live: RunRecord, offline: RunRecord, live_map: PlaceMap, offline_map: PlaceMap) -> dict[str, Any]:
    """Compares what the node accepted with what the same chain accepts offline from the same images."""
    ours, theirs = live.accepted_pairs(), offline.accepted_pairs()
    keyframes = [{k.stamp_ns for k in place_map.keyframes()} for place_map in (live_map, offline_map)]
    return {
        "same_as_offline": ours == theirs,
        "only_live": len(ours - theirs),
        "only_offline": len(theirs - ours),
        # An image whose odometry came too late on a busy machine may be kept live and not offline, or the other way.
        "keyframes_that_differ": len(keyframes[0] ^ keyframes[1]),
    }


def _truth(recording: Recording, options: ReplayOptions) -> tuple[Trajectory | None, str]:
    """Returns true poses or else the odometry and, for people, where they come from."""
    truth, description = true_poses(recording, options)
    if truth is not None:
        return truth, description
    odometry = options.pose_topic(recording)
    if odometry is None:
        return None, ""
    try:
        return recording.trajectory(odometry.name), f"the odometry on {odometry.name}, which may drift"
    except BagError:
        return None, ""


def _true_path(place_map: PlaceMap, truth: Trajectory | None) -> GroundTruthPath | None:
    """Returns the true poses of a map's keyframes, or None where none is known."""
    if truth is None:
        return None
    stamps = sorted(keyframe.stamp_ns for keyframe in place_map.keyframes())
    posed = [(stamp, pose) for stamp in stamps if (pose := truth.interpolate(stamp)) is not None]
    return GroundTruthPath.from_poses([stamp for stamp, _ in posed], [pose for _, pose in posed]) if posed else None
