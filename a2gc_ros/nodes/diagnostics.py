"""What the node tells /diagnostics about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from a2gc_ros.nodes.run_statistics import Snapshot

LATE_SHARE = 0.5
"""Share of skipped images above which the recogniser warns that the machine is too slow for the camera."""


@dataclass(frozen=True)
class Engine:
    """What the node works with, for a person to read.

    Attributes:
        model: Name and fingerprint of the extractor.
        backend: Inference runtime and precision.
        live_map: Path of the live map and the keyframes in it.
        maps: The same for every loaded map, by its number.
        gpu_memory_mb: Memory of the GPU in use, by all processes, and in total, in 10^6 bytes; None without a GPU.
    """

    model: str
    backend: str
    live_map: str
    maps: Mapping[int, str]
    gpu_memory_mb: tuple[float, float] | None = None


def camera_status(node: str, topic: str, now: Snapshot, before: Snapshot, silence: str | None) -> DiagnosticStatus:
    """Returns the state of the camera's stream.

    Args:
        node: Full name of the node.
        topic: The image topic.
        now: The counts.
        before: The counts at the last report.
        silence: The cause of the silence, where no image arrived for too long.
    """
    level, message = DiagnosticStatus.OK, "images arrive"
    newly_failed = sum(now.failed.values()) - sum(before.failed.values())
    if silence is not None:
        level, message = DiagnosticStatus.ERROR, silence
    elif newly_failed > 0:
        level, message = DiagnosticStatus.WARN, f"{newly_failed} bad messages: {now.last_failure}"
    elif now.received == 0:
        level, message = DiagnosticStatus.OK, "no image yet"
    values = {
        "topic": topic,
        "received": now.received,
        "skipped for newer ones": now.skipped,
        "passed over (rate, old stamps)": now.passed_over,
        "bad messages": sum(now.failed.values()),
        **{f"bad messages: {reason}": count for reason, count in sorted(now.failed.items())},
        "last bad message": now.last_failure or "none",
    }
    return status_message(f"{node}: camera", topic, level, message, values)


def recogniser_status(node: str, now: Snapshot, before: Snapshot, engine: Engine) -> DiagnosticStatus:
    """Returns the state of the recogniser: speed, model, maps."""
    level, message = DiagnosticStatus.OK, "recognising"
    processed = now.processed - before.processed
    skipped = now.skipped - before.skipped
    if skipped > LATE_SHARE * max(processed + skipped, 1) and skipped > 1:
        level = DiagnosticStatus.WARN
        message = f"slower than the camera: {skipped} of {processed + skipped} images skipped; lower the parameter rate"
    elif now.processed == 0:
        message = "nothing processed yet"
    values = {
        "processed": now.processed,
        "rate [Hz]": _number(now.rate_hz),
        **{f"latency {name} [ms]": _number(value) for name, value in now.latency_ms.items()},
        "age of the newest result [ms]": _number(now.age_ms),
        **{f"stage {name} [ms]": _number(value) for name, value in now.stages_ms.items()},
        "loop closures": now.closures,
        "relocalizations": now.relocalizations,
        "model": engine.model,
        "backend": engine.backend,
        "live map": engine.live_map,
        **{f"map {number}": text for number, text in sorted(engine.maps.items())},
        "resident memory [MB]": _number(resident_memory_mb()),
        **_gpu_memory(engine.gpu_memory_mb),
    }
    return status_message(f"{node}: recogniser", engine.backend, level, message, values)


def resident_memory_mb() -> float | None:
    """Returns this process's resident memory in 10^6 bytes; None where the system does not tell."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith("VmRSS:")), None)
    return int(line.split()[1]) * 1024 / 1e6 if line else None


def _gpu_memory(used_and_total: tuple[float, float] | None) -> dict[str, str]:
    if used_and_total is None:
        return {}
    used, total = used_and_total
    return {"GPU memory in use [MB]": _number(used), "GPU memory [MB]": _number(total)}


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def status_message(
    name: str, hardware: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Returns one status; values become texts."""
    return DiagnosticStatus(
        level=level,
        name=name.lstrip("/"),
        message=message,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
