"""The ROS packages: what colcon, rosdep and launch read."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from a2gc_ros import __version__

# Top-level names imported by our own code, and the rosdep key that brings each.
KEYS = {
    "cv2": "python3-opencv",
    "faiss": "python3-faiss",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "onnxruntime": "python3-onnxruntime-pip",
    "filelock": "python3-filelock",
    "platformdirs": "python3-platformdirs",
    "rich": "python3-rich",
    "rosbags": "python3-rosbags-pip",
    "tf2_ros": "tf2_ros_py",
    "typer": "python3-typer",
    "yaml": "python3-yaml",
}
# Extras: they are only needed for training, export, simulation, a server or a fleet, or where that runtime is chosen.
OPTIONAL = {
    *("torch", "onnx", "onnxscript", "openvino", "safetensors", "tensorrt", "tensorrt_rtx", "cuda"),
    *("mujoco", "glfw", "OpenGL", "google", "gtsam", "poselib", "threadpoolctl"),
    *("starlette", "uvicorn", "psycopg", "yoyo", "rerun", "foxglove"),
}


def imported(path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            (name,) = node.args[:1]
            if isinstance(name, ast.Constant):
                names.add(name.value.split(".")[0])
    return names


def package(path) -> ElementTree.Element:
    root = ElementTree.parse(path).getroot()
    assert root.get("format") == "3"
    return root


def test_every_import_has_its_dependency(repository):
    root = package(repository / "package.xml")
    depends = {element.text for element in root.iter() if element.tag in ("depend", "exec_depend")}
    names: set[str] = set()
    for path in [*(repository / "a2gc_ros").rglob("*.py"), *(repository / "launch").glob("*.py")]:
        names |= imported(path)
    names -= {"a2gc_ros", "a2gc_training", "a2gc_simulation", "__future__", *sys.stdlib_module_names, *OPTIONAL}
    missing = {name: KEYS.get(name, name) for name in names if KEYS.get(name, name) not in depends}
    assert missing == {}


@pytest.mark.parametrize("folder", [".", "a2gc_msgs"])
def test_the_tools_of_ros_read_the_package_and_its_changelog(repository, folder):
    catkin = pytest.importorskip(
        "catkin_pkg.package", reason="needs catkin_pkg, which comes with what builds a2gc_msgs"
    )
    changelog = pytest.importorskip("catkin_pkg.changelog")
    warnings: list[str] = []
    found = catkin.parse_package(str(repository / folder / "package.xml"), warnings=warnings)
    assert warnings == []
    assert changelog.get_changelog_from_path(str(repository / folder)) is not None
    found.evaluate_conditions({"ROS_DISTRO": "humble"})
    left_out = {depend.name for depend in found.exec_depends if not depend.evaluated_condition}
    assert left_out == ({"python3-faiss", "python3-onnxruntime-pip"} if folder == "." else set())


def test_plain_colcon_finds_both_packages(repository, tmp_path):
    colcon = shutil.which("colcon")
    if colcon is None:
        pytest.skip("needs colcon: pip install colcon-common-extensions")

    def names(folder) -> list[str]:
        done = subprocess.run(
            [colcon, "list", "--names-only"], cwd=folder, capture_output=True, text=True, timeout=60, check=True
        )
        return sorted(done.stdout.split())

    assert names(repository) == ["a2gc_msgs", "a2gc_ros"]
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a2gc_ros").symlink_to(repository)
    assert names(tmp_path) == ["a2gc_ros"]
    (tmp_path / "src" / "a2gc_msgs").symlink_to("a2gc_ros/a2gc_msgs")
    assert names(tmp_path) == ["a2gc_msgs", "a2gc_ros"]


def test_a_robot_installs_neither_training_nor_simulation(repository, tmp_path):
    command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, cwd=repository, check=True, timeout=60, capture_output=True)
    (folder,) = tmp_path.glob("*.egg-info")
    assert (folder / "top_level.txt").read_text(encoding="utf-8").split() == ["a2gc_ros"]
    sources = (folder / "SOURCES.txt").read_text(encoding="utf-8").split()
    assert not [name for name in sources if name.startswith(("training/", "simulation/", "benchmarks/", "examples/"))]


def test_versions_agree(repository):
    for path in (repository / "package.xml", repository / "a2gc_msgs" / "package.xml"):
        assert package(path).findtext("version") == __version__
    for folder in ("a2gc_msgs", "training", "simulation"):
        text = (repository / folder / "pyproject.toml").read_text(encoding="utf-8")
        assert f'\nversion = "{__version__}"\n' in text
        assert folder == "a2gc_msgs" or f']=={__version__}"' in text


def test_every_interface_is_built_and_its_packages_are_declared(repository):
    folder = repository / "a2gc_msgs"
    listed = set(re.findall(r'"((?:msg|srv)/\w+\.(?:msg|srv))"', (folder / "CMakeLists.txt").read_text("utf-8")))
    there = {str(path.relative_to(folder)) for path in folder.glob("*/*.*") if path.suffix in (".msg", ".srv")}
    assert listed == there
    depends = {element.text for element in package(folder / "package.xml").iter() if element.tag == "depend"}
    used = set()
    for name in there:
        used |= set(re.findall(r"^(\w+)/\w+", (folder / name).read_text(encoding="utf-8"), re.MULTILINE))
    assert used == depends


def test_every_field_of_an_interface_is_explained(repository):
    for path in (repository / "a2gc_msgs").glob("*/*.*"):
        if path.suffix not in (".msg", ".srv"):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# "), path.name
        explained = sum(line.startswith("#") for line in lines)
        assert explained >= 3, path.name


def table(path, name: str) -> list | dict:
    """Reads a table of a launch file without importing launch."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path.name} has no {name}")


@pytest.mark.parametrize("name", ["place_recognition", "pose_graph", "replay"])
def test_launch_arguments_are_declared_with_descriptions(repository, name):
    tree = ast.parse((repository / "launch" / f"{name}.launch.py").read_text(encoding="utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DeclareLaunchArgument"
    ]
    assert calls
    assert all("description" in [keyword.arg for keyword in call.keywords] for call in calls)


def test_the_players_options_in_the_launch_file_exist(repository):
    text = (repository / "a2gc_ros" / "nodes" / "bag_player.py").read_text(encoding="utf-8")
    for _, option, _, description in table(repository / "launch" / "replay.launch.py", "PLAYER"):
        assert f'"{option}"' in text
        assert description


def test_the_command_is_on_the_path_of_a_workspace(repository):
    script = repository / "scripts" / "a2gc"
    result = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == __version__
    listed = 'import sys; sys.argv = ["setup.py"{more}]; from distutils.core import run_setup'
    listed += '; print(run_setup("setup.py", stop_after="init").data_files)'
    for more, there in (("", True), (', "bdist_wheel"', False)):
        said = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", f"import setuptools; {listed.format(more=more)}"],
            cwd=repository,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        assert ("('bin', ['scripts/a2gc'])" in said) is there


@pytest.mark.parametrize("name", ["place_recognition.rviz", "place_recognition.foxglove.json"])
def test_what_shows_the_nodes_work_listens_to_its_topics(repository, name):
    text = (repository / "config" / name).read_text(encoding="utf-8")
    # JSON is YAML.
    assert yaml.safe_load(text)
    for topic in ("/place_recognition/markers", "/place_recognition/debug_image", "/pose_graph/markers"):
        assert topic in text
    assert "/relocalization_pose" in text


REPLAY = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
service = LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
sys.exit(service.run())
"""


def test_the_launch_files_run_where_ros_brings_launch(repository, tmp_path):
    pytest.importorskip("launch_ros", reason="needs launch_ros, which comes with a ROS distribution and is not on PyPI")
    packages = pytest.importorskip("ament_index_python.packages")
    try:
        packages.get_package_share_directory("a2gc_ros")
    except packages.PackageNotFoundError:
        pytest.skip("needs a2gc_ros built by colcon and its workspace sourced")
    command = [sys.executable, "-c", REPLAY, str(repository / "launch" / "replay.launch.py")]
    result = subprocess.run(
        [*command, f"bag:={tmp_path / 'none.mcap'}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert "there is no recording at" in result.stdout + result.stderr
    assert "place_recognition-1" in result.stdout + result.stderr
