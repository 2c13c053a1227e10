"""What a model costs on this machine: time for an image, and memory, in a process of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from a2gc_ros.errors import BackendError
from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.system.memory import peak_resident, resident

REPEATS = 5


@dataclass(frozen=True)
class Footprint:
    """What a model costs.

    Attributes:
        ms: Median milliseconds for one image.
        memory: Bytes that the process held at most while the model was opened and ran, beyond what it held before.
    """

    ms: float
    memory: int


def footprint(model: str, **options: Any) -> Footprint:
    """Opens a model in a fresh process, as `open_extractor` does, and describes a few images there.

    Raises:
        BackendError: The process failed, for instance for want of memory.
    """
    asked = json.dumps({"model": model, **options})
    done = subprocess.run([sys.executable, "-m", __name__, asked], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BackendError(f"{model} could not be measured in a process of its own ({said[-1] if said else 'killed'}).")
    return Footprint(**json.loads(done.stdout.splitlines()[-1]))


def _measure(model: str, **options: Any) -> Footprint:
    before = resident()
    ms = image_ms(open_extractor(model, **options))
    return Footprint(ms, peak_resident() - before)


def image_ms(extractor: Extractor) -> float:
    """Median milliseconds for one prepared image, as a robot describes them: one at a time, after one to warm up."""
    size = extractor.spec.preprocessing
    image = np.random.default_rng(0).integers(0, 256, (1, size.height, size.width, 3), np.uint8)
    extractor.run(image)
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        extractor.run(image)
        taken.append(time.perf_counter() - begin)
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(**json.loads(sys.argv[1])))))
