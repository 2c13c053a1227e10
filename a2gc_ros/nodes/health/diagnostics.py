"""What the node tells /diagnostics about itself: one status for each question a person would ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from a2gc_ros.nodes.base.guards import Callbacks
from a2gc_ros.nodes.base.run_statistics import Period
from a2gc_ros.system.memory import kernel_tells

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE

LATE_SHARE = 0.5
"""Share of skipped images above which the machine is too slow for the camera, and of old ones above which stamps are
wrong."""

LITTLE_MEMORY = 0.1
"""Share of the machine's memory that is left when the node begins to warn."""

ACTIVE = "active"

IMAGE_FAILURES = ("image", "damaged", "depth")
"""Reasons of failures that are the camera's."""


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    Attributes:
        level: Of diagnostic_msgs/DiagnosticStatus.
        sentence: The answer.
        values: What it follows from.
    """

    level: bytes
    sentence: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """What the node works with, for a person to read.

    Attributes:
        model: Name and fingerprint of the extractor.
        backend: Inference runtime and precision.
        live_map: Path of the live map and the keyframes in it.
        maps: The same for every loaded map, by its number.
        gpu_memory_mb: Memory of the GPU in use, by all processes, and in total, in 10^6 bytes; None without a GPU.
        search: Where loaded maps are searched.
    """

    model: str
    backend: str
    live_map: str
    maps: Mapping[int, str]
    gpu_memory_mb: tuple[float, float] | None = None
    search: str = "cpu"


def not_listening(state: str) -> Finding:
    """Returns the answer about anything that is only heard while the node is active."""
    return Finding(STALE, f"not listening: the node is {state}")


@dataclass(frozen=True)
class CameraState:
    """What is known of the camera besides the counts.

    Attributes:
        topic: The image topic.
        silence: The cause of the silence, where no image arrived for too long.
        stamps: What is wrong with the stamps; empty where nothing is.
        taken: Which time is taken, header or arrival.
        values: What else is told.
    """

    topic: str = "none"
    silence: str | None = None
    stamps: str = ""
    taken: str = "header"
    values: Mapping[str, object] = field(default_factory=dict)


def judge_camera(state: str, camera: CameraState, counts: Period) -> Finding:
    """Returns whether images arrive that can be used; the first argument is the state of the node's lifecycle."""
    now = counts.now
    values = {
        "topic": camera.topic,
        "stamps taken from": camera.taken,
        "received": now.received,
        "skipped for newer ones": now.skipped,
        "passed over (rate)": now.passed_over,
        "passed over (stamps not newer)": now.old,
        "steps back in time": now.stepped_back,
        "bad messages": sum(now.failed.values()),
        **{f"bad messages: {reason}": count for reason, count in sorted(now.failed.items())},
        "last bad message": now.last_failure or "none",
        **camera.values,
    }
    if state != ACTIVE:
        return Finding(STALE, not_listening(state).sentence, values)
    return Finding(*_camera(camera, counts), values)


def _camera(camera: CameraState, counts: Period) -> tuple[bytes, str]:
    topic, now = camera.topic, counts.now
    if camera.silence is not None:
        return ERROR, camera.silence
    if camera.stamps:
        return WARN, camera.stamps
    arrived, old = counts.more("received"), counts.more("old")
    if old > LATE_SHARE * max(arrived, 1):
        return WARN, f"{old} of {arrived} images on {topic} are not newer than those before: do two cameras publish it?"
    if counts.more("stepped_back"):
        return WARN, f"the stamps on {topic} stepped back, so a new session began"
    for reason in IMAGE_FAILURES:
        if (failed := counts.failed(reason)) > 0:
            return WARN, f"{failed} bad messages: {now.last_failures[reason]}"
    return (OK, f"images arrive on {topic}") if now.received else (STALE, f"waiting for the first image on {topic}")


def judge_recognition(state: str, refusal: str, counts: Period, callbacks: Callbacks, earlier: Callbacks) -> Finding:
    """Returns whether places are recognized."""
    now = counts.now
    values = {
        "state": state,
        "processed": now.processed,
        "rate [Hz]": _number(now.rate_hz),
        **{f"latency {name} [ms]": _number(value) for name, value in now.latency_ms.items()},
        "age of the newest result [ms]": _number(now.age_ms),
        **{f"stage {name} [ms]": _number(value) for name, value in now.stages_ms.items()},
        "loop closures": now.closures,
        "relocalizations": now.relocalizations,
        "relocalizations without a pose": now.unposed,
        "checks postponed": now.postponed,
        "why without a pose": now.last_unposed or "none",
        "failed callbacks": sum(callbacks.failed.values()),
        **{f"failed callbacks: {name}": count for name, count in sorted(callbacks.failed.items())},
        "last failed callback": callbacks.last or "none",
    }
    level, sentence = _recognition(state, refusal, counts)
    if level == OK and callbacks.failed != earlier.failed:
        level, sentence = WARN, callbacks.last
    return Finding(level, sentence, values)


def _recognition(state: str, refusal: str, counts: Period) -> tuple[bytes, str]:
    if state != ACTIVE:
        if refusal:
            return ERROR, refusal
        return (ERROR, "shut down") if state == "finalized" else (WARN, f"nothing is recognized: the node is {state}")
    if (failed := counts.failed("recognition")) > 0:
        return ERROR, f"{failed} images were not recognized: {counts.now.last_failures['recognition']}"
    processed, skipped = counts.more("processed"), counts.more("skipped")
    if skipped > LATE_SHARE * max(processed + skipped, 1) and skipped > 1:
        return WARN, (
            f"slower than the camera: {skipped} of {processed + skipped} images skipped; lower the parameter rate"
        )
    if (unposed := counts.more("unposed")) > counts.more("relocalizations") / 2:
        return WARN, f"{unposed} relocalizations without a pose: {counts.now.last_unposed}"
    return (OK, "recognizing") if processed else (STALE, "no image to recognize")


def judge_map(state: str, engine: Engine | None, counts: Period) -> Finding:
    """Returns whether there are maps and the live one grows."""
    if engine is None:
        return Finding(STALE, f"no map is open: the node is {state}")
    values = {
        "model": engine.model,
        "backend": engine.backend,
        "search": engine.search,
        "live map": engine.live_map,
        **{f"map {number}": text for number, text in sorted(engine.maps.items())},
    }
    if counts.failed("map") > 0:
        return Finding(ERROR, counts.now.last_failures["map"], values)
    loaded = f"{len(engine.maps)} loaded" if engine.maps else "none loaded"
    return Finding(OK, f"live map {engine.live_map}; {loaded}", values)


def judge_memory(engine: Engine | None) -> Finding:
    """Returns whether the machine's memory suffices."""
    resident, peak, shared = (_told_mb("/proc/self/status", key) for key in ("VmRSS", "VmHWM", "RssShmem"))
    available, total = (_told_mb("/proc/meminfo", key) for key in ("MemAvailable", "MemTotal"))
    values = {
        "resident memory [MB]": _number(resident),
        "largest resident memory [MB]": _number(peak),
        "of it shared, by the middleware [MB]": _number(shared),
        "available memory [MB]": _number(available),
    }
    if engine is not None and engine.gpu_memory_mb is not None:
        used, whole = engine.gpu_memory_mb
        values |= {"GPU memory in use [MB]": _number(used), "GPU memory [MB]": _number(whole)}
    sentence = f"{_number(resident)} MB, and {_number(available)} MB left on this machine"
    little = available is not None and total is not None and available < LITTLE_MEMORY * total
    return Finding(WARN if little else OK, f"little memory: {sentence}" if little else sentence, values)


def _told_mb(file: str, key: str) -> float | None:
    told = kernel_tells(file, key)
    return None if told is None else told / 1e6


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def status_message(name: str, hardware: str, found: Finding) -> DiagnosticStatus:
    """Returns an answer as a status of that name; its values become texts."""
    return DiagnosticStatus(
        level=found.level,
        name=name.lstrip("/"),
        message=found.sentence,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=str(value)) for key, value in found.values.items()],
    )
