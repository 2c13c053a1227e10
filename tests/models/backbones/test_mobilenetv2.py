"""MobileNetV2 against the same network written as an ONNX graph and run by ONNX Runtime.

`python tests/models/test_mobilenetv2.py WEIGHTS` writes the reference values of the ImageNet weights, by that graph.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from a2gc_ros.errors import ModelError
from a2gc_ros.models import checkpoints
from a2gc_ros.models.backbones.inverted_residuals import same_padding
from a2gc_ros.models.backbones.mobilenetv2 import STRIDE_16, STRIDE_32_EXPANDED, MobileNetV2
from a2gc_ros.models.registry import build

Array = NDArray[np.float32]
REFERENCE = Path(__file__).with_name("mobilenetv2_reference.json")
TAPS = {17: (8, 32), STRIDE_16: (16, 96), 39: (16, 576), 50: (32, 320), STRIDE_32_EXPANDED: (32, 1280)}

# (name of the expanding, depthwise and projecting convolution or None, stride, whether the input is added)
BLOCKS = [
    *[((None, 1, 2), 1, False)],
    *[((3, 4, 5), 2, False), ((6, 7, 8), 1, True)],
    *[((9, 10, 11), 2, False), ((12, 13, 14), 1, True), ((15, 16, 17), 1, True)],
    *[((18, 19, 20), 2, False), ((21, 22, 23), 1, True), ((24, 25, 26), 1, True), ((27, 28, 29), 1, True)],
    *[((30, 31, 32), 1, False), ((33, 34, 35), 1, True), ((36, 37, 38), 1, True)],
    *[((39, 40, 41), 2, False), ((42, 43, 44), 1, True), ((45, 46, 47), 1, True)],
    *[((48, 49, 50), 1, False)],
]


def peer(weights: dict[str, Array]) -> ModelProto:
    """The network from the paper's table; ONNX's SAME_UPPER is TensorFlow's SAME."""
    nodes, initializers = [], [numpy_helper.from_array(value, name) for name, value in weights.items()]
    initializers += [
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
        numpy_helper.from_array(np.array(6, np.float32), "six"),
    ]
    outputs = [f"after{index}" for index in TAPS]

    def convolve(x: str, index: int, stride: int = 1, *, depthwise: bool = False, relu6: bool = True) -> str:
        weight, name = weights[f"convs.{index}.weight"], f"after{index}"
        raw = f"raw{index}" if relu6 else name
        nodes.append(
            helper.make_node(
                "Conv",
                [x, f"convs.{index}.weight", f"convs.{index}.bias"],
                [raw],
                auto_pad="SAME_UPPER",
                strides=[stride, stride],
                group=len(weight) if depthwise else 1,
            )
        )
        if relu6:
            nodes.append(helper.make_node("Clip", [raw, "zero", "six"], [name]))
        return name

    x = convolve("images", 0, 2)
    for (expanding, depthwise, projecting), stride, adds in BLOCKS:
        entry = x
        if expanding is not None:
            x = convolve(x, expanding)
        x = convolve(x, depthwise, stride, depthwise=True)
        x = convolve(x, projecting, relu6=False)
        if adds:
            nodes[-1].output[0] = f"before{projecting}"
            nodes.append(helper.make_node("Add", [f"before{projecting}", entry], [x]))
    x = convolve(x, 51)
    if "convs.52.weight" in weights:
        nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
        convolve("pooled", 52, relu6=False)
        outputs.append("after52")
    graph = helper.make_graph(
        nodes,
        "mobilenetv2",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run_peer(weights: dict[str, Array], images: Array) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(peer(weights).SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images}), strict=True))


def random_model() -> tuple[MobileNetV2, dict[str, Array]]:
    """The whole network, and its weights with a classifier's."""
    torch.manual_seed(0)
    model = MobileNetV2(tap=STRIDE_32_EXPANDED).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(std=0.3)
    classifier = {"convs.52.weight": torch.randn(1001, 1280, 1, 1), "convs.52.bias": torch.randn(1001)}
    return model, {name: tensor.numpy() for name, tensor in (model.state_dict() | classifier).items()}


def picture(height: int, width: int) -> Array:
    """A smooth colored pattern in [-1, 1], the same everywhere: no random generator of any library takes part."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [np.sin(x / 17 + k) * np.cos(y / (11 + 3 * k)) for k in range(3)]
    return np.stack(planes)[None].astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (57, 83)], ids=["even", "odd"])
@pytest.mark.parametrize("tap", TAPS)
def test_equals_the_onnx_graph(tap: int, height: int, width: int) -> None:
    whole, weights = random_model()
    model = MobileNetV2(tap=tap, token_tap=STRIDE_32_EXPANDED).eval()
    model.load_state_dict(whole.state_dict())
    images = np.concatenate([picture(height, width), -picture(height, width)])
    with torch.no_grad():
        features = model(torch.from_numpy(images))
    expected = run_peer(weights, images)
    stride, channels = TAPS[tap]
    rows, columns = -(-height // stride), -(-width // stride)
    assert model.stride == stride
    assert model.out_channels == channels
    assert features.map.shape == (2, channels, rows, columns)
    assert model.grid(height, width) == (rows, columns)
    wanted = expected[f"after{tap}"]
    np.testing.assert_allclose(features.map.numpy(), wanted, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(features.token.numpy(), expected["after51"].mean(axis=(2, 3)), atol=1e-4)


@pytest.mark.parametrize(
    ("side", "stride", "expected"),
    [(224, 2, (0, 1)), (225, 2, (1, 1)), (14, 1, (1, 1)), (1, 2, (1, 1)), (2, 2, (0, 1))],
)
def test_padding_is_that_of_tensorflow(side: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(side, 3, stride) == expected


def test_the_table_of_layers_is_the_weights_table() -> None:
    assert len(MobileNetV2.LAYERS) == 52
    assert [
        (layer.inputs, layer.outputs)
        for layer in (MobileNetV2.LAYERS[0], MobileNetV2.LAYERS[18], MobileNetV2.LAYERS[51])
    ] == [
        (3, 32),
        (32, 192),
        (320, 1280),
    ]


@pytest.mark.parametrize("option", ["tap", "token_tap"])
@pytest.mark.parametrize("value", [-1, 52])
def test_taps_outside_the_network_are_refused(option: str, value: int) -> None:
    with pytest.raises(ModelError, match=f"{option}={value} names none"):
        MobileNetV2(**{option: value})


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_the_token_is_a_generalised_mean(power: float) -> None:
    model = MobileNetV2(tap=STRIDE_32_EXPANDED, token_power=power).eval()
    with torch.no_grad():
        features = model(torch.from_numpy(picture(64, 96)))
    cells = features.map.double().clamp(min=1e-6).numpy().reshape(1280, -1)
    np.testing.assert_allclose(
        features.token[0].numpy(), (cells**power).mean(axis=1) ** (1 / power), rtol=1e-4, atol=2e-6
    )


@pytest.mark.parametrize("power", [0, -1.0])
def test_a_token_without_a_mean_is_refused(power: float) -> None:
    with pytest.raises(ModelError, match="token_power is"):
        MobileNetV2(token_power=power)


def test_trainable_blocks_are_the_last() -> None:
    model = MobileNetV2(tap=STRIDE_16)
    model.set_trainable_blocks(2)
    trainable = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trainable == {f"convs.{index}.{kind}" for index in range(33, 39) for kind in ("weight", "bias")}


@pytest.fixture
def imagenet_weights(shared_data: Path) -> Path:
    return shared_data / "weights" / "mobilenet_v2_imagenet_folded.safetensors"


def test_imagenet_weights_give_the_reference_values(imagenet_weights: Path) -> None:
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    images = torch.from_numpy(picture(224, 224))
    for tap, expected in reference["taps"].items():
        model = build("gem-mobilenetv2", tap=int(tap))
        checkpoints.load(model, imagenet_weights, "mobilenetv2")
        with torch.no_grad():
            found = model.eval().backbone(images).map.numpy().reshape(-1)
        np.testing.assert_allclose(found[expected["at"]], expected["values"], atol=2e-3)
        assert float(np.linalg.norm(found)) == pytest.approx(expected["norm"], rel=1e-4)
    weights = checkpoints.read_tensors(imagenet_weights)
    whole = MobileNetV2(tap=STRIDE_32_EXPANDED).eval()
    whole.load_state_dict({name: weights[name] for name in whole.state_dict()})
    with torch.no_grad():
        classes = weights["convs.52.weight"].flatten(1) @ whole(images).token[0] + weights["convs.52.bias"]
    logits = classes.numpy()
    assert np.argsort(-logits)[:5].tolist() == reference["best_classes"]
    np.testing.assert_allclose(logits[reference["best_classes"]], reference["best_logits"], atol=2e-3)


def write_reference(weights: Path) -> None:
    outputs = run_peer(load_file(weights), picture(224, 224))
    taps = {}
    for tap in TAPS:
        flat = outputs[f"after{tap}"].reshape(-1)
        at = np.linspace(0, len(flat) - 1, 24).astype(int).tolist()
        taps[str(tap)] = {
            "at": at,
            "values": [round(float(flat[i]), 5) for i in at],
            "norm": round(float(np.linalg.norm(flat)), 4),
        }
    logits = outputs["after52"].reshape(-1)
    best = np.argsort(-logits)[:5].tolist()
    content = {"taps": taps, "best_classes": best, "best_logits": [round(float(logits[i]), 5) for i in best]}
    REFERENCE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
