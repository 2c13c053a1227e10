"""A look inside a model: its patch features, and which cluster takes which patch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import BackendError, ModelError
from a2gc_ros.extract.choose import CHECKPOINTS, find_file
from a2gc_ros.extract.onnx_files.metadata import read_spec
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.system.installation import needs, pip_install

Outputs = Mapping[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.uint8]], Outputs]
"""Gives the outputs of one prepared image, uint8 (1, height, width, 3), by their names in an export."""


@dataclass(frozen=True)
class Inspection:
    """What a model made of one image, on its grid of H' x W' patches.

    Attributes:
        image: uint8 (height, width, 3), RGB, as the model was given it.
        descriptor: float32 (D,), L2-normalized.
        features: float32 (H', W', C), the backbone's patch features, each L2-normalized.
        plan: float32 (m+1, H', W'), the share of each patch's mass that each cluster takes, the dustbin last; over the
            clusters and the dustbin it sums to one. None for an aggregator without clusters.
        bias: float32 (m, H', W'), what the place of a patch adds to its score; None for a model without geometry.
    """

    image: NDArray[np.uint8]
    descriptor: NDArray[np.float32]
    features: NDArray[np.float32]
    plan: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None


class Inspector:
    """A model that shows what is inside it; slower than an extractor and meant for pictures."""

    def __init__(self, spec: ModelSpec, run: Run) -> None:
        self.spec = spec
        self._run = run

    def inspect(self, image: NDArray[np.uint8]) -> Inspection:
        """Looks at one RGB image, uint8 (H, W, 3), of any size.

        Raises:
            ImageError: It is no such image.
            BackendError: The runtime failed.
        """
        prepared = self.spec.preprocessing.apply(image)
        outputs = self._run(prepared[None])
        features = outputs["features"][0].transpose(1, 2, 0)
        lengths = np.linalg.norm(features, axis=2, keepdims=True)
        plan = outputs.get("plan")
        return Inspection(
            prepared,
            outputs["descriptor"][0],
            features / np.maximum(lengths, np.finfo(np.float32).tiny),
            None if plan is None else plan[0] / plan[0].sum(axis=0, keepdims=True),
            outputs.get("bias"),
        )


def open_inspector(model: str | Path) -> Inspector:
    """Opens a model to look inside it.

    Args:
        model: The name of a model that comes with the package, an ONNX file exported with ``--features``, or, with
            torch, a checkpoint or a registered name.

    Raises:
        ModelError: There is no such model, or its file was exported without features.
        BackendError: Nothing that could run it is installed.
    """
    path = find_file(model)
    if path is not None and path.suffix not in CHECKPOINTS:
        return Inspector(read_spec(path), _open_file(path))
    try:
        from a2gc_ros.extract.pytorch.backend import open_to_inspect
    except ImportError as error:
        raise BackendError(
            f"Only torch can look inside {model}, and it is not usable here ({error}); install it with: "
            f"{pip_install('torch')}"
        ) from None
    return Inspector(*open_to_inspect(path or str(model)))


def _open_file(path: Path) -> Run:
    """Either runtime does; what a file gives beside the descriptor, extractors never ask for."""
    try:
        names, run = in_onnxruntime(path)
    except ImportError:
        try:
            names, run = in_openvino(path)
        except ImportError as error:
            raise BackendError(needs(f"Running {path}", f"a runtime for ONNX files ({error})", "onnx")) from None
    if "features" not in names:
        raise ModelError(f"{path} gives descriptors only; export it with `a2gc export ... --features` to look inside.")
    return run


def in_onnxruntime(path: Path) -> tuple[list[str], Run]:
    """Names of a file's outputs, and a function that runs it in ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return names, lambda batch: dict(zip(names, session.run(names, {"images": batch}), strict=True))


def in_openvino(path: Path) -> tuple[list[str], Run]:
    """Names of a file's outputs, and a function that runs it in OpenVINO."""
    import openvino

    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [output.get_any_name() for output in compiled.outputs]

    def run(batch: NDArray[np.uint8]) -> Outputs:
        results = compiled({"images": batch})
        return {name: np.array(results[name]) for name in names}

    return names, run
