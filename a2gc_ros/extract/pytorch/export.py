"""From PyTorch to one ONNX file that is all a robot needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from a2gc_ros.errors import BackendError, ModelError
from a2gc_ros.extract.backends.catalogue import installed_file_backends
from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.extract.onnx_files.gpu_graph import LARGEST_MESSAGE
from a2gc_ros.extract.onnx_files.half_weights import store_weights_in_half
from a2gc_ros.extract.onnx_files.head import WhiteningFit, name_pooled
from a2gc_ros.extract.onnx_files.metadata import describe, encode_metadata
from a2gc_ros.extract.pytorch.fold import fold
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models.aggregators.vlad import VLAD
from a2gc_ros.models.fingerprint import fingerprint
from a2gc_ros.models.inside import look_inside
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.system.files import draft_of, folder_beside, publish
from a2gc_ros.system.installation import needs
from a2gc_ros.system.libraries import without_warnings

ExportPrecision = Literal["fp32", "fp16"]

OPSET = 20
"""The first with a GELU of its own; TensorRT 10, OpenVINO 2024 and ONNX Runtime 1.18 read it."""

LEAST_COSINE = {"fp32": 0.9999, "fp16": 0.999}
"""Between a file's descriptors and PyTorch's; a file below it is not written."""

LARGEST_FILE = LARGEST_MESSAGE
"""Bytes of an ONNX file that holds its weights; larger ones go to a file beside it."""


@dataclass(frozen=True)
class Exported:
    """What an export produced.

    Attributes:
        path: The file.
        spec: Its description.
        size: Its length in bytes, together with that of ``data``.
        cosines: Least cosine to PyTorch's descriptors over the checked images, for each runtime that checked it.
        data: The file with the weights where they are too many for one, which has to stay beside it.
    """

    path: Path
    spec: ModelSpec
    size: int
    cosines: dict[str, float]
    data: Path | None = None


class Deployed(nn.Module):
    """A model as it is deployed: bytes in, normalization inside."""

    def __init__(self, model: PlaceModel, *, features: bool) -> None:
        super().__init__()
        self.model = model
        self.features = features
        self.eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Descriptor (B, D), and where wanted what it was pooled from, of uint8 images (B, H, W, 3)."""
        normalized = self.model.normalize(images)
        if not self.features:
            return {"descriptor": self.model(normalized)}
        inside = look_inside(self.model, normalized)
        return {name: value for name, value in inside._asdict().items() if value is not None}


def export_onnx(
    model: PlaceModel,
    out: Path,
    *,
    licence: str,
    precision: ExportPrecision = "fp32",
    features: bool = False,
    images: Sequence[NDArray[np.uint8]] = (),
) -> Exported:
    """Exports a model for its own input size and checks the file before it gets its name.

    The file takes ``images``, uint8 (batch, height, width, 3), RGB, and gives ``descriptor``, float32 (batch, D).
    Where wanted it also gives ``features``, ``plan`` and ``bias``, as far as the model has them; their shapes stand at
    :class:`a2gc_ros.models.inside.Inside`. Runtimes that are asked for the descriptor alone do not return them.

    Args:
        model: The model, with its weights.
        out: Path of the ONNX file.
        licence: The weights' licence.
        precision: ``fp16`` stores weights in half the bytes; runtimes widen them when they load the file.
        features: Whether patch features, transport plan and geometric bias are outputs too.
        images: RGB images of any size to check the file on, besides generated ones.

    Raises:
        ModelError: The file's descriptors differ from PyTorch's.
        BackendError: No runtime is installed to check the file with.
    """
    bytes_each = 4 if precision == "fp32" else 2
    is_large = sum(p.numel() for p in model.parameters()) * bytes_each > LARGEST_FILE
    preprocessing = model.preprocessing
    graph = _trace(Deployed(fold(model.bake()), features=features), preprocessing)
    if precision == "fp16":
        store_weights_in_half(graph.graph)
    spec = ModelSpec(model.name, model.descriptor_dim, preprocessing, fingerprint(model), licence, precision)
    checked = [*check_images(preprocessing), *images]
    if is_large:
        return _write_two(model, graph, out, spec, checked)
    content = describe(graph.SerializeToString(), spec) + encode_metadata(_whitening_fit(model))
    del graph
    with draft_of(out) as draft:
        draft.write_bytes(content)
        cosines = _accept(model, draft, out, spec, checked)
    return Exported(out, spec, len(content), cosines)


def _write_two(
    model: PlaceModel, graph: onnx.ModelProto, out: Path, spec: ModelSpec, images: Sequence[NDArray[np.uint8]]
) -> Exported:
    """Writes the graph to one file and its weights, which are taken out of ``graph``, to another beside it."""
    with folder_beside(out) as folder:
        draft, data = folder / out.name, folder / f"{out.name}.data"
        onnx.save(graph, draft, save_as_external_data=True, location=data.name)
        draft.write_bytes(describe(draft.read_bytes(), spec, data))
        cosines = _accept(model, draft, out, spec, images)
        size = draft.stat().st_size + data.stat().st_size
        # The weights first: whatever is cut off here, a file that has its name matches its weights or is refused.
        publish(data, out.parent / data.name)
        publish(draft, out)
    return Exported(out, spec, size, cosines, out.parent / data.name)


def _whitening_fit(model: PlaceModel) -> dict[str, str]:
    """What a fitted head says about itself in the metadata; nothing for others."""
    if not isinstance(model.aggregator, VLAD):
        return {}
    fitted = model.aggregator.whitening
    return WhiteningFit(int(fitted.samples), float(fitted.added), float(fitted.rest)).to_metadata()


def _accept(
    model: PlaceModel, draft: Path, out: Path, spec: ModelSpec, images: Sequence[NDArray[np.uint8]]
) -> dict[str, float]:
    """Least cosine to PyTorch's descriptors, for each runtime that is installed.

    Raises:
        ModelError: One is below what is asked.
        BackendError: No runtime is installed.
    """
    batch = np.stack([model.preprocessing.apply(image) for image in images])
    with torch.inference_mode():
        single = torch.from_numpy(batch).split(1)
        expected = np.concatenate([model(model.normalize(image)).numpy() for image in single])
    cosines: dict[str, float] = {}
    for backend in installed_file_backends():
        extractor = open_extractor(draft, backend=backend, precision="fp32")
        cosines[backend] = float((extractor.run(batch) * expected).sum(axis=1).min())
    if not cosines:
        raise BackendError(needs("Checking the export", "a runtime for ONNX files", "onnx"))
    least, wanted = min(cosines.values()), LEAST_COSINE[spec.precision]
    if not least >= wanted:
        advice = "export in fp32" if spec.precision == "fp16" else "please report this model"
        raise ModelError(
            f"{model.name}: the exported file's descriptors differ from PyTorch's (cosine {least:.6f}, and "
            f"{wanted} is the least for {spec.precision}), so {out} was not written; {advice}."
        )
    return cosines


def check_images(preprocessing: Preprocessing) -> list[NDArray[np.uint8]]:
    """Generated images of the model's size: noise, two smooth scenes, and a flat gray."""
    rng = np.random.default_rng(0)
    height, width = preprocessing.height, preprocessing.width
    smooth = [
        np.asarray(cv2.resize(rng.integers(0, 256, (cells, cells, 3), np.uint8), (width, height)), dtype=np.uint8)
        for cells in (4, 16)
    ]
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    return [noise, *smooth, np.full((height, width, 3), 128, np.uint8)]


def _trace(deployed: Deployed, preprocessing: Preprocessing) -> onnx.ModelProto:
    # Two images: torch.export takes a batch of one for a constant.
    example = torch.zeros(2, preprocessing.height, preprocessing.width, 3, dtype=torch.uint8)
    with torch.inference_mode():
        outputs = list(deployed(example))
    # The exporter's remarks on optional packages and its own internals.
    with without_warnings("torch.onnx", "onnx_ir", "onnxscript"):
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    if program is None:
        raise ModelError("torch.onnx gave no program; install torch 2.6 or newer.")
    model = program.model_proto
    for node in model.graph.node:
        node.name = _readable_name(node)
    _turn_keys_last(model.graph)
    name_pooled(model.graph)
    # Traces of this machine's source files are of no use in the file, and would make it differ between machines.
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    return model


def _turn_keys_last(graph: onnx.GraphProto) -> None:
    """Parts the transposition of an attention's keys in two, heads first and the product's own after.

    The exporter joins them. OpenVINO makes the second part of the product, which then reads the keys as they lie.
    """
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "Transpose" and list(node.attribute[0].ints) == [0, 2, 3, 1]:
            heads = f"{node.output[0]}_heads"
            turn = onnx.helper.make_node("Transpose", node.input, [heads], f"{node.name}_heads", perm=(0, 2, 1, 3))
            nodes.append(turn)
            node.input[0] = heads
            node.attribute[0].ints[:] = (0, 1, 3, 2)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _readable_name(node: onnx.NodeProto) -> str:
    """A node's name after the module it comes from: ``backbone.blocks.0.mlp.fc1/MatMul_72``."""
    scopes = next((p.value for p in node.metadata_props if p.key.endswith("name_scopes")), "")
    modules = re.findall(r"'model\.([\w.]+)'", scopes)
    return f"{modules[-1] if modules else 'input'}/{node.name.removeprefix('node_')}"
