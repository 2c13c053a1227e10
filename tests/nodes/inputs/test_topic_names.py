"""Names of topics, with real remappings and namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, from a distribution or from the wheels")

import rclpy
from rclpy.node import Node

from a2gc_ros.bags.message_types import COMPRESSED_IMAGE, IMAGE
from a2gc_ros.nodes.inputs.topic_names import camera_info_topic, image_topics

RAW, COMPRESSED = (("/cam/image_raw", IMAGE), ("/cam/image_raw/compressed", COMPRESSED_IMAGE))


@pytest.fixture
def make() -> Iterator[Callable[..., Node]]:
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes: list[Node] = []

    def node(*remappings: str, namespace: str = "") -> Node:
        arguments = ["--ros-args", *(word for remapping in remappings for word in ("-r", remapping))]
        nodes.append(
            Node("names", context=context, namespace=namespace, cli_args=arguments, start_parameter_services=False)
        )
        return nodes[-1]

    yield node
    for made in nodes:
        made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ("remappings", "transport", "expected"),
    [
        (["image:=/cam/image_raw"], "raw", [RAW]),
        (["image:=/cam/image_raw"], "compressed", [COMPRESSED]),
        (["image:=/cam/image_raw"], "auto", [RAW, COMPRESSED, ("/cam/image_raw", COMPRESSED_IMAGE)]),
        (["image:=/cam/image_raw/compressed"], "compressed", [COMPRESSED]),
        (["image:=/cam/image_raw/compressed"], "auto", [COMPRESSED, ("/cam/image_raw/compressed", IMAGE)]),
        (["image/compressed:=/front"], "compressed", [("/front", COMPRESSED_IMAGE)]),
        (
            ["image/compressed:=/front"],
            "auto",
            [("/front", COMPRESSED_IMAGE), ("/image", COMPRESSED_IMAGE), ("/image", IMAGE)],
        ),
        ([], "raw", [("/image", IMAGE)]),
    ],
)
def test_images_are_looked_for_where_image_transport_puts_them(make, remappings, transport, expected):
    assert image_topics(make(*remappings), "image", transport) == expected


@pytest.mark.parametrize(
    ("image", "wanted", "remappings", "expected"),
    [
        ("/camera/image_raw", "", [], "/camera/camera_info"),
        ("/camera/image_raw/compressed", "", [], "/camera/camera_info"),
        ("/robot/front/image_rect", "", [], "/robot/front/camera_info"),
        ("/image", "", [], "/camera_info"),
        ("/camera/image_raw", "/calibration", [], "/calibration"),
        ("/camera/image_raw", "info", [], "/robot/info"),
        ("/camera/image_raw", "", ["camera_info:=/other/info"], "/other/info"),
        ("/camera/image_raw", "/wins", ["camera_info:=/other/info"], "/wins"),
    ],
)
def test_the_calibration_lies_beside_the_images_unless_another_was_named(make, image, wanted, remappings, expected):
    node = make(*remappings, namespace="/robot")
    assert camera_info_topic(node, wanted, image) == expected
