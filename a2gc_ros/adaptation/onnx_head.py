"""The end of an exported model: where its values are, and how a site's statistics are put there.

Every model ends in the L2-normalization of its values. Where a linear map stands before it (the whitening of a VLAD
head, or a projection), the site's statistics become part of that map, so that the adapted file has the same graph,
size and speed.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from a2gc_ros.adaptation.statistics import SiteStatistics
from a2gc_ros.errors import BackendError, ModelError
from a2gc_ros.extract.backends.catalogue import installed_file_backends, start_backend
from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.extract.engines.key import EngineOptions
from a2gc_ros.extract.onnx_files.metadata import ADAPTED, data_file, describe, encode_metadata, read_spec
from a2gc_ros.extract.runtime import Runtime
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.system.files import draft_of
from a2gc_ros.system.installation import needs

LEAST_COSINE = 0.9999
"""Between the descriptors of the written file and what the statistics say they should be."""

_OUTPUT = "descriptor"


@dataclass(frozen=True)
class Adapted:
    """What an adaptation wrote.

    Attributes:
        spec: Its description; the fingerprint is its own.
    """

    path: Path
    size: int
    spec: ModelSpec


class AdaptableModel:
    """An exported model whose last linear map can be set anew.

    Args:
        path: ONNX file made by ``a2gc export``, or one that ships.

    Raises:
        ModelError: It is damaged, quantized, too large, or has no linear map at its end.
    """

    def __init__(self, path: Path) -> None:
        self.spec = read_spec(path)
        self._path = path
        if self.spec.precision == "int8":
            raise ModelError(f"{path} is quantized: adapt the model that it was made of, and quantize the result.")
        if data_file(path) is not None:
            raise ModelError(f"{path} has its weights in a file beside it, which cannot be adapted: use a smaller one.")
        self._model = onnx.load(path)
        del self._model.metadata_props[:]
        self._tensors = {tensor.name: tensor for tensor in self._model.graph.initializer}
        self._makers = {name: node for node in self._model.graph.node for name in node.output}
        self._values = self._find_values()
        self._find_linear()

    def open_values(self, threads: int) -> Runtime:
        """The model in the fastest runtime on a CPU, without its last normalization: prepared images in, values out.

        Raises:
            BackendError: No runtime is installed, or it cannot run the model.
        """
        backends = installed_file_backends()
        if not backends:
            raise BackendError(needs("Running the model", "a runtime for ONNX files", "onnx"))
        cut = onnx.ModelProto()
        cut.CopyFrom(self._model)
        graph = cut.graph
        last = next(node for node in graph.node if _OUTPUT in node.output)
        last.CopyFrom(onnx.helper.make_node("Identity", [self._values], [_OUTPUT], last.name))
        for extra in [output for output in graph.output if output.name != _OUTPUT]:
            graph.output.remove(extra)
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "values.onnx"
            draft.write_bytes(cut.SerializeToString())
            return start_backend(backends[0], draft, self.spec, "fp32", threads, EngineOptions())

    def write(
        self,
        statistics: SiteStatistics,
        out: Path,
        provenance: dict[str, object],
        images: Sequence[NDArray[np.uint8]],
        values: NDArray[np.float32],
    ) -> Adapted:
        """Writes the adapted file once every runtime gives the descriptors that the statistics say.

        Args:
            statistics: The site's.
            out: The file to write.
            provenance: What the file says it was adapted from, beside the model; JSON values.
            images: Some prepared images (k, height, width, 3) to check the file on.
            values: Their values (k, D).

        Raises:
            ModelError: A runtime gives other descriptors.
        """
        self._set_linear(statistics)
        graph = self._model.SerializeToString()
        digest = hashlib.sha256(f"site of {self.spec.fingerprint}".encode() + graph).hexdigest()
        spec = replace(self.spec, name=f"{self.spec.name}@{out.stem}", fingerprint=digest)
        origin = {"model": self.spec.name, "fingerprint": self.spec.fingerprint, **provenance}
        content = describe(graph, spec) + encode_metadata({ADAPTED: json.dumps(origin, sort_keys=True)})
        expected = statistics.describe(values)
        with draft_of(out) as draft:
            draft.write_bytes(content)
            for name in installed_file_backends():
                found = open_extractor(draft, backend=name, precision="fp32").run(np.stack(images))
                cosine = float((found * expected).sum(axis=1).min())
                if not cosine >= LEAST_COSINE:
                    raise ModelError(
                        f"{name} gives other descriptors of the adapted model than it should (cosine {cosine:.5f}), so "
                        f"{out} was not written; please report this model."
                    )
        return Adapted(out, len(content), spec)

    def _find_values(self) -> str:
        """The tensor that the last normalization divides by its length."""
        last = self._makers.get(_OUTPUT)
        if last is not None and last.op_type == "Div":
            values, length = last.input
            # Its length is clipped and expanded on the way.
            node = self._makers.get(length)
            while node is not None and node.op_type in ("Clip", "Max", "Expand"):
                node = self._makers.get(node.input[0])
            if node is not None and node.op_type == "ReduceL2" and node.input[0] == values:
                return values
        raise ModelError(f"{self._path} does not end in a normalization: export it again with this version.")

    def _find_linear(self) -> onnx.NodeProto:
        """The linear map that makes the values."""
        node = self._makers.get(self._values)
        if node is not None and (self._is_whitening(node) or self._is_projection(node)):
            return node
        raise ModelError(
            f"{self.spec.name} has no whitening or projection before its last normalization that a site's statistics "
            "could be put into: use a model that ships, or set such a head from images with `a2gc export --fit`."
        )

    def _is_whitening(self, node: onnx.NodeProto) -> bool:
        centering = self._makers.get(node.input[0])
        return (
            node.op_type == "MatMul"
            and self._is_weight(node.input[1])
            and centering is not None
            and centering.op_type == "Sub"
            and self._is_weight(centering.input[1])
        )

    def _is_projection(self, node: onnx.NodeProto) -> bool:
        options = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        plain = all(options.get(name, usual) == usual for name, usual in (("alpha", 1), ("beta", 1), ("transA", 0)))
        return (
            node.op_type == "Gemm"
            and plain
            and options.get("transB") == 1
            and len(node.input) == 3
            and all(map(self._is_weight, node.input[1:]))
        )

    def _set_linear(self, statistics: SiteStatistics) -> None:
        node = self._find_linear()
        if node.op_type == "Gemm":
            weight, bias = map(self._weight, node.input[1:])
            self._replace(node.input[1], statistics.matrix @ weight)
            self._replace(node.input[2], (bias - statistics.mean) @ statistics.matrix)
            return
        centering = self._makers[node.input[0]].input[1]
        mean, projection = self._weight(centering), self._weight(node.input[1])
        # The shift δ before the projection that is the mean behind it: δ P = mean.
        shift = np.linalg.lstsq(projection.T, statistics.mean, rcond=None)[0]
        self._replace(centering, mean + shift)
        self._replace(node.input[1], projection @ statistics.matrix)

    def _stored(self, name: str) -> onnx.TensorProto | None:
        """The tensor behind a name, or behind the cast that widens it."""
        node = self._makers.get(name)
        return self._tensors.get(node.input[0] if node is not None and node.op_type == "Cast" else name)

    def _is_weight(self, name: str) -> bool:
        return self._stored(name) is not None

    def _weight(self, name: str) -> NDArray[np.float64]:
        stored = self._stored(name)
        assert stored is not None
        return numpy_helper.to_array(stored).astype(np.float64)

    def _replace(self, name: str, values: NDArray[np.float64]) -> None:
        stored = self._stored(name)
        assert stored is not None
        kind = onnx.helper.tensor_dtype_to_np_dtype(stored.data_type)
        stored.CopyFrom(numpy_helper.from_array(values.astype(kind), stored.name))
