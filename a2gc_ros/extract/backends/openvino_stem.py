"""The first block of a convolutional network, to be computed in float32 whatever the rest is computed in.

In bfloat16 the first three convolutions of an EfficientNet-Lite0 alone make nearly all of the difference to float32:
with them the least cosine over 91 real images is 0.96, without them 0.996. They see pixels, whose brightness is large
beside the contrast that counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2gc_ros.system.libraries import imported_without

if TYPE_CHECKING:
    from openvino import Model, Output

openvino = imported_without("openvino", "openvino.tools.ovc")

CONVOLUTIONS = 3
"""Of the first block and what comes before it."""

_CONVOLVES = ("Convolution", "GroupConvolution")


def split_stem(model: Model) -> tuple[Model, Model] | None:
    """Parts a model in two after the first value that all later ones depend on alone, from the third convolution on.

    Args:
        model: Of fixed input shapes; it is taken apart.

    Returns:
        From the input to that value, and from there to the outputs; None where there is no such value, as in a
        transformer.
    """
    from openvino.passes import ConstantFolding, Manager

    # Shapes are known, so what is worked out from them is no longer a way past the cut.
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    order = model.get_ordered_ops()
    position = {op.get_friendly_name(): at for at, op in enumerate(order)}
    last_use: dict[tuple[int, int], int] = {}
    convolutions = 0
    for at, op in enumerate(order):
        kind = op.get_type_name()
        convolutions += kind in _CONVOLVES
        if kind == "Constant":
            continue
        for output in op.outputs():
            users = [position[use.get_node().get_friendly_name()] for use in output.get_target_inputs()]
            last_use[at, output.get_index()] = max(users, default=at)
        alive = [value for value, last in last_use.items() if last > at]
        if convolutions >= CONVOLUTIONS and kind != "Result" and len(alive) == 1:
            return _cut(model, order[alive[0][0]].output(alive[0][1]))
    return None


def _cut(model: Model, value: Output) -> tuple[Model, Model]:
    users = list(value.get_target_inputs())
    entry = openvino.opset13.parameter(value.get_partial_shape(), value.get_element_type(), "stem")
    results, parameters = model.get_results(), model.get_parameters()
    for use in users:
        use.replace_source_output(entry.output(0))
    return (
        openvino.Model([openvino.opset13.result(value)], parameters),
        openvino.Model(results, [entry]),
    )
