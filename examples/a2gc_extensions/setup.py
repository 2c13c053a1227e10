"""A package that adds to a2gc_ros one of each kind of thing that can be added: docs/extend.md tells what each is."""

from setuptools import setup

ENTRY_POINTS = {
    "a2gc_ros.backbones": ["tinynet = a2gc_extensions.tinynet:TinyNet"],
    "a2gc_ros.aggregators": ["MAC = a2gc_extensions.mac:MAC"],
    "a2gc_ros.runtimes": ["opencv-dnn = a2gc_extensions.opencv_dnn:OpenCvDnn"],
    "a2gc_ros.bag_formats": ["asl = a2gc_extensions.asl:AslFolder"],
    "a2gc_ros.bridges": ["json_lines = a2gc_extensions.json_lines:JsonLinesBridge"],
    "a2gc_ros.datasets": ["listed_pairs = a2gc_extensions.listed_pairs:LISTED_PAIRS"],
    "a2gc_ros.local_features": ["patches = a2gc_extensions.patches:Patches"],
}

setup(
    name="a2gc_extensions",
    version="0.1.0",
    license="Apache-2.0",
    packages=["a2gc_extensions"],
    # a2gc_ros itself comes from a clone or a workspace, as on no index: it is not listed.
    install_requires=["numpy", "rosbags"],
    entry_points=ENTRY_POINTS,
)
