"""Eight-bit models: weights in int8, and the inputs of their products quantized on images of the user's own.

What is quantized, and what is not, was found by measuring. Only the inputs of products with weights are quantized:
quantized outputs, which would come before an activation has bounded them, cost a MobileNetV2 more than a tenth of its
cosine. The first convolution sees raw pixels, and the aggregator amplifies small differences; both stay in float32, as
do products between activations, which gain nothing. Networks of depthwise convolutions lose most in their first blocks,
where channels are few: with all but the first three convolutions quantized the least cosine of EfficientNet-Lite0 over
91 real images is 0.961, with all but the first nine 0.985, with all but the first fifteen 0.991.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from a2gc_ros.errors import ModelError
from a2gc_ros.extract.backends.catalogue import installed_file_backends
from a2gc_ros.extract.choose import open_extractor
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.extract.onnx_files.gpu_graph import PRODUCTS
from a2gc_ros.extract.onnx_files.half_weights import widen_weights
from a2gc_ros.extract.onnx_files.metadata import data_file, describe, read_spec
from a2gc_ros.system.files import draft_of
from a2gc_ros.system.libraries import without_warnings

CALIBRATION_IMAGES = 64
LARGEST_DROP = 0.005
"""Of recall@1, as a fraction; a larger one is refused."""

LEAST_MEAN_COSINE = 0.99
"""Where the images' places are not known."""

FLOAT_START, FLOAT_START_DEPTHWISE = 1, 15
"""Products of the backbone that stay in float32, the first ones; the second where it has depthwise convolutions."""


@dataclass(frozen=True)
class Drift:
    """What quantization changed on one runtime.

    Attributes:
        mean_cosine: Between the descriptors before and after, over the images.
        least_cosine: The same, the worst image.
        recall: Recall@1 after, or None where the images' places are not known.
        ranking: Share of images whose nearest other image is the one it was before.
    """

    mean_cosine: float
    least_cosine: float
    recall: float | None
    ranking: float


@dataclass(frozen=True)
class Quantized:
    """What a quantization produced.

    Attributes:
        path: The file.
        size: Its length in bytes.
        fingerprint: Its own: descriptors of the two models are not to be mixed.
        recall: Recall@1 before, or None where the images' places are not known.
        drift: By runtime.
    """

    path: Path
    size: int
    fingerprint: str
    recall: float | None
    drift: dict[str, Drift]


class _Calibration(CalibrationDataReader):
    """Feeds prepared images one by one."""

    def __init__(self, batch: NDArray[np.uint8]) -> None:
        self._images: Iterator[NDArray[np.uint8]] = iter(batch)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next image under the name of the graph's input."""
        image = next(self._images, None)
        return None if image is None else {"images": image[None]}


def quantize(
    source: Path,
    out: Path,
    images: Sequence[NDArray[np.uint8]],
    *,
    places: Sequence[str] | None = None,
    allow_drop: bool = False,
) -> Quantized:
    """Quantizes an exported model to int8 and compares it with the original.

    Args:
        source: ONNX file made by ``a2gc export``.
        out: The file to write.
        images: RGB images, uint8 (H, W, 3), as the robot sees them; some hundred are enough.
        places: The place each image shows, to measure recall: an image should be nearest to another of its place.
        allow_drop: Write the file even if it lost more than it should.

    Raises:
        ModelError: The source is damaged or already quantized, or the result lost too much and that is not allowed.
    """
    spec = read_spec(source)
    if spec.precision == "int8":
        raise ModelError(f"{source} is quantized already; quantize the file that `a2gc export` wrote.")
    if data_file(source) is not None:
        raise ModelError(f"{source} has its weights in a file beside it, which the quantizer cannot read; keep fp32.")
    if len(images) < 2:
        raise ModelError(f"{len(images)} images are too few to quantize {source} on; give some hundred.")
    before = open_extractor(source, precision="fp32")
    batch = np.stack([before.prepare(image) for image in images])
    step = -(-len(batch) // CALIBRATION_IMAGES)
    graph = _quantized_graph(source, batch[::step])
    digest = hashlib.sha256(f"int8 of {spec.fingerprint}".encode() + graph).hexdigest()
    content = describe(graph, replace(spec, precision="int8", fingerprint=digest))
    original = before.run(batch)
    recall = recall_at_1(original, places) if places is not None else None
    with draft_of(out) as draft:
        draft.write_bytes(content)
        drift: dict[str, Drift] = {
            name: _drift(original, open_extractor(draft, backend=name), batch, places)
            for name in installed_file_backends()
        }
        if not allow_drop:
            _refuse_loss(out, recall, drift)
    return Quantized(out, len(content), digest, recall, drift)


def _quantized_graph(source: Path, calibration: NDArray[np.uint8]) -> bytes:
    model = onnx.load(source)
    del model.metadata_props[:]
    widen_weights(model.graph)
    weights = {tensor.name for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in PRODUCTS]
    inside = [n for n in products if n.name.startswith("backbone") and n.input[1] in weights]
    chosen = inside[FLOAT_START_DEPTHWISE if any(map(_is_depthwise, inside)) else FLOAT_START :]
    if not chosen:
        raise ModelError(f"{source} has no product in its backbone to quantize; export it with this version.")
    # The quantizer's advice does not apply to our graphs.
    with tempfile.TemporaryDirectory() as folder, without_warnings(""):
        result = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            result,
            _Calibration(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(PRODUCTS),
            nodes_to_quantize=[node.name for node in chosen],
            extra_options={"OpTypesToExcludeOutputQuantization": list(PRODUCTS)},
        )
        return result.read_bytes()


def _is_depthwise(node: onnx.NodeProto) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


def _drift(
    original: NDArray[np.float32], extractor: Extractor, batch: NDArray[np.uint8], places: Sequence[str] | None
) -> Drift:
    descriptors = extractor.run(batch)
    cosines = (descriptors * original).sum(axis=1)
    return Drift(
        mean_cosine=float(cosines.mean()),
        least_cosine=float(cosines.min()),
        recall=recall_at_1(descriptors, places) if places is not None else None,
        ranking=float((nearest_other(descriptors) == nearest_other(original)).mean()),
    )


def _refuse_loss(out: Path, recall: float | None, drift: dict[str, Drift]) -> None:
    for name, found in drift.items():
        if recall is not None and found.recall is not None and recall - found.recall > LARGEST_DROP:
            raise ModelError(
                f"int8 lowers recall@1 on these images from {recall:.3f} to {found.recall:.3f} on {name}, more than "
                f"{LARGEST_DROP:.3f}, so {out} was not written; keep fp32, or allow the drop."
            )
        if recall is None and found.mean_cosine < LEAST_MEAN_COSINE:
            raise ModelError(
                f"int8 changes the descriptors of these images on {name} (mean cosine {found.mean_cosine:.4f}, and "
                f"{LEAST_MEAN_COSINE} is the least), so {out} was not written; keep fp32, sort the images into a "
                "folder for each place to have recall decide, or allow the drop."
            )


def nearest_other(descriptors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index (N,) of the most similar other image for each of the L2-normalized descriptors (N, D), N at least two."""
    similarities = descriptors @ descriptors.T
    np.fill_diagonal(similarities, -np.inf)
    return similarities.argmax(axis=1)


def recall_at_1(descriptors: NDArray[np.float32], places: Sequence[str]) -> float | None:
    """Share of images whose nearest other image shows the same place.

    Args:
        descriptors: (N, D), L2-normalized.
        places: What each of the N images shows.

    Returns:
        The share among the images that have another image of their place; None where there is no such image.
    """
    counts = Counter(places)
    names = np.array(places)
    shared = np.array([counts[place] > 1 for place in places])
    if not shared.any():
        return None
    found = names[nearest_other(descriptors)] == names
    return float(found[shared].mean())
