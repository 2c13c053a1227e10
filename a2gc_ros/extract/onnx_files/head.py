"""Where a VLAD head's statistics are in an exported file, so that a tool can set them anew for a site.

Initializers, float32 or, in a file that stores half precision, float16 under the same name and `_half`:

    LOCAL.weight (l, C, 1, 1), LOCAL.bias (l,)     reduces the C channels of the backbone's map to l
    SCORE.weight (m, l, 1, 1), SCORE.bias (m,)     scores of the m clusters
    CENTRES (m, l)                                 of the clusters
    MEAN (m*l,), PROJECTION (m*l, D)               whitening: descriptor = normalized (pooled - MEAN) @ PROJECTION

POOLED (B, m*l) is the value before the whitening; add it to the graph's outputs to fit the whitening anew. The map that
LOCAL reads is the first input of the node which has LOCAL.weight as its second.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

HEAD = "model.aggregator."
LOCAL = HEAD + "local"
SCORE = HEAD + "score"
CENTRES = HEAD + "centres"
MEAN = HEAD + "whitening.mean"
PROJECTION = HEAD + "whitening.projection"
POOLED = "pooled"

METADATA_KEY = "a2gc.whitening"


@dataclass(frozen=True)
class WhiteningFit:
    """What a whitening was fitted on.

    The variance of component k is 1 / |PROJECTION[:, k]|^2 - `added`, its direction PROJECTION[:, k] normalized.

    Attributes:
        samples: Images and views of them.
        added: Variance that was added to every component before its root divided it.
        rest: Mean variance of the components that were dropped; 0 where none was.
    """

    samples: int
    added: float
    rest: float

    def to_metadata(self) -> dict[str, str]:
        """The entry of an ONNX file's metadata."""
        return {METADATA_KEY: json.dumps(asdict(self))}


def name_pooled(graph: onnx.GraphProto) -> bool:
    """Names the value before the whitening `POOLED`, in place; False where the graph has no such head."""
    whitening = next((node for node in graph.node if node.op_type == "Sub" and node.input[1] == MEAN), None)
    if whitening is None:
        return False
    old = whitening.input[0]
    for node in graph.node:
        for values in (node.input, node.output):
            for index, value in enumerate(values):
                if value == old:
                    values[index] = POOLED
    for info in graph.value_info:
        if info.name == old:
            info.name = POOLED
    return True
