"""The example of a package that adds to ours, installed as a user installs it: each thing it adds is at work."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from a2gc_ros import GeometricVerifier, LoopConfig, open_extractor, open_recording, plugins
from a2gc_ros.errors import BackendError, BagError
from a2gc_ros.evaluation.datasets.catalogue import benchmark
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import Detection, LoopClosure, Match, Verification
from a2gc_ros.loops.verification.feature_coding import decode

PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "maps" / "demo" / "town.mcap"
MODEL = "a2gc-efficientnet-lite0"
SECOND = 10**9


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where pip installed the package, on the path."""
    folder = tmp_path_factory.mktemp("extensions")
    source = shutil.copytree(REPOSITORY / "examples" / "a2gc_extensions", folder / "source")
    target = folder / "target"
    # An environment that uv made has no pip of its own.
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["uv", "pip"]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run([*pip, "install", *options, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(target))
    plugins.look_again()
    yield target
    sys.path.remove(str(target))
    plugins.look_again()
    for name in [name for name in sys.modules if name.split(".")[0] == "a2gc_extensions"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """The first frames of the demo's recording, a metre or so apart."""
    with open_recording(DEMO) as recording:
        return list(recording.frames(stop=2))


@pytest.mark.slow
def test_a_runtime_describes_as_ours_do(frames: list[Frame]) -> None:
    images = [frame.image for frame in frames[:3]]
    theirs = open_extractor(MODEL, backend="opencv-dnn")
    assert theirs.backend == "opencv-dnn"
    ours = open_extractor(MODEL, backend="onnxruntime", threads=1)
    cosines = (theirs.extract(images) * ours.extract(images)).sum(axis=1)
    assert cosines.min() > 0.9999
    with pytest.raises(BackendError, match="fp32 only"):
        open_extractor(MODEL, backend="opencv-dnn", precision="bf16")
    fallen = open_extractor(MODEL, backend="opencv-dnn", precision="bf16", fallback=True)
    assert fallen.backend != "opencv-dnn"


def test_a_bag_format_is_read_by_its_suffix(tmp_path: Path, frames: list[Frame]) -> None:
    folder = tmp_path / "walk.asl"
    images, poses = folder / "mav0" / "cam0", folder / "mav0" / "state_groundtruth_estimate0"
    (images / "data").mkdir(parents=True)
    poses.mkdir()
    rows, placed = ["#timestamp [ns],filename"], ["#timestamp,x,y,z,qw,qx,qy,qz"]
    for number, frame in enumerate(frames[:3]):
        stamp = 1_403_636_579 * SECOND + number * SECOND // 10
        cv2.imwrite(str(images / "data" / f"{stamp}.png"), frame.image[..., ::-1])
        rows.append(f"{stamp},{stamp}.png")
        placed.append(f"{stamp},{number},0.5,0,1,0,0,0")
    (images / "data.csv").write_text("\n".join(rows))
    (poses / "data.csv").write_text("\n".join(placed))
    with open_recording(folder) as recording:
        read = list(recording.frames(pose_topic="/ground_truth"))
        assert recording.duration == 0.2
    assert [np.array_equal(one.image, frame.image) for one, frame in zip(read, frames[:3], strict=True)] == [True] * 3
    assert [one.pose[:2, 3].tolist() for one in read if one.pose is not None] == [[0, 0.5], [1, 0.5], [2, 0.5]]
    (poses / "data.csv").write_text("1,2")
    with pytest.raises(BagError, match=r"damaged \(a row has fewer than 8 columns"):
        open_recording(folder)


def test_a_local_feature_verifies_and_is_kept(frames: list[Frame]) -> None:
    verifier = GeometricVerifier(LoopConfig(features="patches"))
    here, there = (verifier.view_of_frame(frame) for frame in (frames[0], frames[3]))
    assert verifier.compare(here, there).reason == ""
    again = decode(verifier.encoded(here), "patches")
    assert again is not None
    assert (again.descriptors * here.features.descriptors).sum(axis=1).min() > 0.99
    assert decode(verifier.encoded(here), "sift") is None


def test_a_data_set_is_opened_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "listed_pairs"
    folder.mkdir()
    (folder / "pairs.csv").write_text("night/1.jpg,day/1.jpg\nnight/1.jpg,day/2.jpg\nnight/2.jpg,day/2.jpg\n")
    dataset = benchmark("listed_pairs").open(tmp_path)
    assert (len(dataset.queries), len(dataset.database)) == (2, 2)
    assert [right.tolist() for right in dataset.truth] == [[0, 1], [1]]


def test_backbone_and_aggregator_stand_under_names_and_in_files(tmp_path: Path, frames: list[Frame]) -> None:
    pytest.importorskip("torch", reason="needs torch")
    from a2gc_ros.models import build, checkpoints, model_names, named

    assert {"gem-tinynet", "a2gc-tinynet", "mac-resnet18", "mac-dinov2-vits14"} <= set(model_names())
    assert named("gem-tinynet").licence == "unspecified"
    network = build("gem-tinynet", width=2)
    checkpoints.save(network, tmp_path / "tiny.safetensors")
    extractor = open_extractor(tmp_path / "tiny.safetensors", threads=1)
    assert extractor.extract([frames[0].image]).shape == (1, network.descriptor_dim) == (1, 128)
    assert build("mac-efficientnet-lite0").descriptor_dim > 0


def test_a_bridge_publishes_what_the_node_found() -> None:
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.lifecycle import LifecycleNode
    from std_msgs.msg import String

    from a2gc_ros.bridges.bridge import Recognized
    from a2gc_ros.bridges.choose import open_bridges

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=1 + os.getpid() % 231)
    node = LifecycleNode("extended", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        (bridge,) = open_bridges(node, ["json_lines"])
        node.trigger_configure()
        node.trigger_activate()
        heard: list[String] = []
        node.create_subscription(String, "closures_json", heard.append, 10)
        verification = Verification(True, 50, 60, np.eye(4), np.eye(6), True)
        closure = LoopClosure(Match(9 * SECOND, 0, 7, 1, SECOND, 0.9), verification, 0.999, 8)
        found = Detection(9 * SECOND, closures=[closure])
        stop = time.monotonic() + 20
        while not heard and time.monotonic() < stop:
            bridge.publish(Recognized(9 * SECOND, "camera", found, np.zeros(8, np.float32), np.eye(4)))
            executor.spin_once(timeout_sec=0.2)
        assert json.loads(heard[0].data) == {
            "query_ns": 9 * SECOND,
            "keyframe_ns": SECOND,
            "t_keyframe_query": np.eye(4).tolist(),
        }
        bridge.close()
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


@pytest.mark.slow
def test_the_command_line_knows_the_package(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "a2gc_ros.cli.main", "map", "build", str(DEMO), "--stop", "2"]
    extended = ["--backend", "opencv-dnn", "--features", "patches", "--out", str(tmp_path / "town.a2gc")]
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run([*command, *extended], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    missing = subprocess.run([*command, *extended], capture_output=True, text=True, check=False)
    assert (missing.returncode, "Traceback" in missing.stderr) == (2, False)


def test_what_the_page_shows_is_what_the_example_does() -> None:
    page = (REPOSITORY / "docs" / "extend.md").read_text(encoding="utf-8")
    files = (REPOSITORY / "examples" / "a2gc_extensions").rglob("*.py")
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    shown = PYTHON.findall(page)
    assert shown
    assert [block for block in shown if block not in code] == []
    assert [group for group in re.findall(r"a2gc_ros\.[a-z_]+(?=\": \[)", code) if f"| `{group}` |" not in page] == []
