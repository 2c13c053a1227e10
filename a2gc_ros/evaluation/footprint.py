"""What a model costs on this machine: time for an image, and memory, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from a2gc_ros.errors import BackendError
from a2gc_ros.evaluation.timing import image_ms
from a2gc_ros.extract import open_extractor
from a2gc_ros.system.memory import peak_resident, resident


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
    extractor = open_extractor(model, **options)
    ms = image_ms(extractor)
    return Footprint(ms, peak_resident() - before)


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(**json.loads(sys.argv[1])))))
