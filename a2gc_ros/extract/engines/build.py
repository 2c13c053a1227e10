"""From a typed graph to an engine's bytes, by TensorRT or TensorRT-RTX; what they share."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ClassVar, Protocol

from rich.progress import TaskID

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.key import EngineKey
from a2gc_ros.extract.gpu import OUT_OF_MEMORY, says_full
from a2gc_ros.system.progress import Progress, progress_bars

_log = logging.getLogger(__name__)


@cache
def log_of(trt: Any) -> Any:
    """The one logger of a library: errors are kept for our own messages, the rest goes to Python's log."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            super().__init__()
            # The last few: what an operation says that fails.
            self.errors: deque[str] = deque(maxlen=20)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message)
            _log.debug("%s: %s", trt.__name__, message)

    return Log()


def failure(trt: Any, what: str) -> BackendError:
    """An error that ends in what the library said last; what it said is forgotten."""
    said = log_of(trt).errors
    text = next((message for message in reversed(said) if message.strip()), "it does not say why")
    if ran_out_of_memory(trt):
        text = OUT_OF_MEMORY
    said.clear()
    return BackendError(f"{trt.__name__} {trt.__version__} {what}: {_line(text)}.")


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def ran_out_of_memory(trt: Any) -> bool:
    """Whether the library's last errors say that the GPU's memory was full."""
    return any(map(says_full, log_of(trt).errors))


class Target(Protocol):
    """What an engine is built by and for."""

    trt: ClassVar[Any]
    key: EngineKey

    @property
    def flags(self) -> int:
        """Of the network."""

    def configure(self, config: Any) -> None:
        """Sets what is wanted in the builder's configuration."""

    def built(self, config: Any) -> None:
        """Takes what is to be kept of the configuration."""


def build_engine(target: Target, model: bytes) -> bytes:
    """Builds an engine; a bar on stderr shows how far it is, and Ctrl-C ends it between two steps.

    Args:
        target: What it is built for.
        model: ONNX model with typed tensors, whose first dimension is free.

    Raises:
        BackendError: The library does not take the model, or cannot build it.
        KeyboardInterrupt: Ctrl-C was pressed; nothing is left.
    """
    trt, key = target.trt, target.key
    stop = threading.Event()
    with progress_bars() as progress, ThreadPoolExecutor(1, thread_name_prefix="engine") as pool:
        monitor = _monitor(trt, progress, f"{key.model} in {key.precision}", stop)
        work = pool.submit(_build, target, model, monitor)
        try:
            # In a thread of its own, since Python sees Ctrl-C only between two steps of this one.
            plan = work.result()
        except KeyboardInterrupt:
            stop.set()
            raise
    if plan is not None:
        return plan
    if key.workspace_mb and ran_out_of_memory(trt):
        said = _line(log_of(trt).errors[-1])
        raise BackendError(
            f"{trt.__name__} {trt.__version__} cannot build the engine with {key.workspace_mb} MiB of workspace "
            f"({said}); raise that limit, or give 0 for none."
        )
    raise failure(trt, "cannot build the engine")


def _build(target: Target, model: bytes, monitor: Any) -> bytes | None:
    trt = target.trt
    log = log_of(trt)
    log.errors.clear()
    builder = trt.Builder(log)
    network = builder.create_network(target.flags)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        first = parser.get_error(0)
        raise BackendError(
            f"{trt.__name__} {trt.__version__} does not take {first.node_name()}: {_line(first.desc())}."
        )
    config = builder.create_builder_config()
    config.progress_monitor = monitor
    # Otherwise float32 means ten bits of mantissa, and not what it means on a CPU.
    config.clear_flag(trt.BuilderFlag.TF32)
    target.configure(config)
    _add_profile(builder, network, config, target.key.most_images)
    log.errors.clear()
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        return None
    target.built(config)
    return bytes(plan)


def _add_profile(builder: Any, network: Any, config: Any, most_images: int) -> None:
    """One profile for batches from one image, for which the engine is tuned, to the most."""
    images = network.get_input(0)
    size = tuple(images.shape)[1:]
    profile = builder.create_optimization_profile()
    profile.set_shape(images.name, (1, *size), (1, *size), (most_images, *size))
    config.add_optimization_profile(profile)


def _monitor(trt: Any, progress: Progress, title: str, stop: threading.Event) -> Any:
    class Monitor(trt.IProgressMonitor):
        """Shows the phases that are under way, each below the one it is part of."""

        def __init__(self) -> None:
            super().__init__()
            self._tasks: dict[str, TaskID] = {}
            self._depths: dict[str | None, int] = {None: 0}

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            depth = self._depths.get(parent, 0)
            self._depths[name] = depth + 1
            shown = f"{title}: {name.lower()}" if depth == 0 else f"{'  ' * depth}{name.lower()}"
            self._tasks[name] = progress.add_task(shown, total=steps)

        def step_complete(self, name: str, step: int) -> bool:
            if name in self._tasks:
                progress.update(self._tasks[name], completed=step)
            return not stop.is_set()

        def phase_finish(self, name: str) -> None:
            if name in self._tasks:
                progress.remove_task(self._tasks.pop(name))

    return Monitor()
