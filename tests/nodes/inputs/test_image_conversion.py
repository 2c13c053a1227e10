"""cv_bridge is used where it is sound, and nowhere else.

The stand-ins are packages with the faults that real builds have; they are tried in a process of their own, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE
from a2gc_ros.errors import ConfigError
from a2gc_ros.images.convert import to_rgb
from a2gc_ros.nodes.inputs.image_conversion import ImageConverter, try_cv_bridge

SOUND = """
import numpy as np

class CvBridge:
    def imgmsg_to_cv2(self, message, wanted):
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step // 3, 3)
        return {"rgb8": pixels, "bgr8": pixels[..., ::-1], "8UC3": pixels}[message.encoding]

    def cv2_to_imgmsg(self, image, encoding, header):
        return ("made by cv_bridge", image.shape, encoding, header)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a cv_bridge with a C++ half of the given text on the path."""

    def put(core: str = SOUND, compiled: str = "") -> None:
        boost = tmp_path / "cv_bridge" / "boost"
        boost.mkdir(parents=True)
        (tmp_path / "cv_bridge" / "__init__.py").write_text(core)
        (boost / "__init__.py").touch()
        (boost / "cv_bridge_boost.py").write_text(compiled)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    installed = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "cv_bridge"}
    for name in installed:
        del sys.modules[name]
    yield put
    for name in [name for name in sys.modules if name.split(".")[0] == "cv_bridge"]:
        del sys.modules[name]
    sys.modules.update(installed)


def message(encoding: str = "bgr8", **changes: object) -> SimpleNamespace:
    pixel = {"rgb8": 3, "bgr8": 3, "8UC3": 3, "mono8": 1}[encoding]
    made = SimpleNamespace(height=4, width=6, encoding=encoding, step=6 * pixel, is_bigendian=0)
    made.__dict__.update(changes)
    made.data = np.random.default_rng(1).integers(0, 256, made.height * made.step, np.uint8).tobytes()
    return made


def ours(sent: SimpleNamespace) -> np.ndarray:
    return to_rgb(sent)


def test_what_agrees_is_left_to_cv_bridge_and_the_rest_is_ours(install, monkeypatch):
    install()
    converter = ImageConverter("auto")
    assert converter.used.startswith("cv_bridge for bgr8, rgb8; own for")
    asked: list[str] = []
    bridge = converter._bridge
    inner = bridge.imgmsg_to_cv2
    monkeypatch.setattr(
        bridge, "imgmsg_to_cv2", lambda sent, wanted: asked.append(sent.encoding) or inner(sent, wanted)
    )
    for sent, taken in (
        (message("bgr8"), True),
        (message("rgb8"), True),
        (message("8UC3"), False),
        (message("mono8"), False),
        (message("bgr8", step=21), False),
        (message("bgr8", is_bigendian=1), False),
    ):
        asked.clear()
        np.testing.assert_array_equal(converter.pixels(sent, IMAGE), ours(sent))
        assert bool(asked) is taken
    picture = np.zeros((4, 6, 3), np.uint8)
    assert converter.message(picture, "header") == ("made by cv_bridge", (4, 6, 3), "rgb8", "header")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "compiled", "said"),
    [
        (
            SOUND,
            "raise ImportError('numpy.core.multiarray failed to import')",
            "C\\+\\+ half does not load \\(numpy.core",
        ),
        (
            SOUND,
            "import os; os.abort()",
            "its C\\+\\+ half ends the process \\(signal 6\\); it is built for another NumPy",
        ),
        (SOUND.replace('pixels, "bgr8', 'pixels + 1, "bgr8'), "", "cv_bridge gives other pixels than NumPy for rgb8"),
        (
            "class CvBridge:\n    def imgmsg_to_cv2(self, *_): raise TypeError",
            "",
            "cv_bridge converts nothing as we do",
        ),
    ],
    ids=["does not load", "crashes", "other pixels", "converts nothing"],
)
def test_a_cv_bridge_that_is_not_sound_is_left_alone_and_refused_where_it_is_wanted(install, core, compiled, said):
    install(core, compiled)
    converter = ImageConverter("auto")
    sent = message()
    np.testing.assert_array_equal(converter.pixels(sent, IMAGE), ours(sent))
    assert converter.used.startswith("own (")
    with pytest.raises(
        ConfigError, match=f"image_conversion is cv_bridge, but .*{said}.*: repair that, or set auto or own"
    ):
        ImageConverter("cv_bridge")


def test_without_cv_bridge_ours_converts_and_says_why(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert ImageConverter("auto").used == "own (cv_bridge is not installed)"
    assert ImageConverter("own").used == "own"
    with pytest.raises(ConfigError, match="image_conversion is cv_bridge, but cv_bridge is not installed"):
        ImageConverter("cv_bridge")


def test_compressed_images_never_go_through_it(install):
    install()
    cv2 = pytest.importorskip("cv2")
    picture = np.full((16, 16, 3), 90, np.uint8)
    sent = SimpleNamespace(format="png", data=cv2.imencode(".png", picture)[1].tobytes())
    np.testing.assert_array_equal(ImageConverter("auto").pixels(sent, COMPRESSED_IMAGE), picture)


def test_a_distributions_cv_bridge_agrees_where_it_is_used():
    pytest.importorskip("cv_bridge", reason="comes with a ROS distribution only")
    agreed, problem = try_cv_bridge()
    assert problem is None
    assert {"rgb8", "bgr8", "mono8"} <= set(agreed)
    converter = ImageConverter("cv_bridge")
    for encoding in ("rgb8", "bgr8", "mono8"):
        sent = message(encoding)
        np.testing.assert_array_equal(converter.pixels(sent, IMAGE), ours(sent))
