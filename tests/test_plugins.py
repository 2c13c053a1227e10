"""What packages add by entry points: found by name, loaded when named, refused when two claim a name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a2gc_ros import plugins
from a2gc_ros.bags import open_recording
from a2gc_ros.cli.main import app
from a2gc_ros.errors import BackendError, BagError, ConfigError
from a2gc_ros.extract import open_extractor
from a2gc_ros.plugins import Registry

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package of one module, as pip would: its code and its metadata in a folder on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(package: str, entry_points: str, code: str = "") -> None:
        (tmp_path / f"{package}.py").write_text(code)
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entry_points)
        plugins.look_again()

    yield write
    plugins.look_again()
    for name in ("added", "rival"):
        sys.modules.pop(name, None)


def things() -> Registry[Callable[[], int]]:
    return Registry("things", "thing", ConfigError, {"two": int, "one": "math:floor"})


def test_without_packages_there_is_what_we_bring_in_our_order() -> None:
    assert list(things()) == ["two", "one"]
    assert things()["one"].__name__ == "floor"
    with pytest.raises(KeyError):
        things()["three"]


def test_a_package_adds_names_and_is_imported_when_one_is_named(install: Install) -> None:
    install("added", "[a2gc_ros.things]\nzebra = added:f\napple = added:f\n", "def f(): return 7")
    assert list(things()) == ["two", "one", "apple", "zebra"]
    assert "apple" in things()
    assert "added" not in sys.modules
    assert things()["apple"]() == 7


@pytest.mark.parametrize(
    ("entry_points", "code", "sentence"),
    [
        ("[a2gc_ros.things]\ntwo = added:f\n", "", "thing 'two' is claimed by a2gc_ros and by added: uninstall"),
        ("[a2gc_ros.things]\nbad = added:f\n", "", "thing 'bad' of added cannot be loaded .AttributeError"),
        ("[a2gc_ros.things]\nbad = added:f\n", "1 / 0", "cannot be loaded .ZeroDivisionError: division by zero.: inst"),
        ("[a2gc_ros.things]\nbad = added:f\n", "f = 3", "not something to call: added:f is a int"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name_and_package(
    install: Install, entry_points: str, code: str, sentence: str
) -> None:
    install("added", entry_points, code)
    name = entry_points.split()[1]
    with pytest.raises(ConfigError, match=sentence):
        things()[name]
    assert things()["one"], "the others go on working"


def test_two_packages_under_one_name(install: Install) -> None:
    install("added", "[a2gc_ros.things]\nboth = added:f\n", "def f(): ...")
    install("rival", "[a2gc_ros.things]\nboth = rival:f\n", "def f(): ...")
    assert list(things()).count("both") == 1
    with pytest.raises(ConfigError, match="'both' is claimed by added and by rival"):
        things()["both"]


def test_a_package_takes_no_name_of_ours_in_the_rooms(install: Install, tmp_path: Path) -> None:
    install("added", "[a2gc_ros.runtimes]\nopenvino = added:f\n[a2gc_ros.bag_formats]\nmcap = added:f\n")
    (tmp_path / "run.mcap").write_bytes(b"")
    with pytest.raises(BagError, match="bag format 'mcap' is claimed by a2gc_ros and by added"):
        open_recording(tmp_path / "run.mcap")
    with pytest.raises(BackendError, match="runtime 'openvino' is claimed by"):
        open_extractor("a2gc-efficientnet-lite0", backend="openvino")


@pytest.mark.parametrize(
    ("group", "verb", "ours"),
    [("datasets", "datasets", "pitts30k_val"), ("backbones", "models", "a2gc-efficientnet-lite0")],
)
def test_lists_tell_what_cannot_be_had_and_show_the_rest(install: Install, group: str, verb: str, ours: str) -> None:
    install("added", f"[a2gc_ros.{group}]\nbroken = added:f\n", "import nothing_of_this_name")
    listed = CliRunner().invoke(app, [verb, "list"])
    assert listed.exit_code == 0
    assert ours in listed.output
    told = [line for line in listed.output.splitlines() if "'broken' of added cannot be loaded" in line]
    assert len(told) == 1
