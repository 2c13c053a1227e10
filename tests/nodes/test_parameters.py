from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from a2gc_ros.errors import ConfigError
from a2gc_ros.extract.engines.key import EngineOptions
from a2gc_ros.loops import LoopConfig
from a2gc_ros.nodes.parameters import PARAMETERS, NodeSettings

DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


def test_the_defaults_are_settings():
    settings = NodeSettings.from_values(DEFAULTS)
    assert settings.loop == LoopConfig()
    assert settings.maps == ()


def test_names_are_unique_and_every_one_is_described():
    assert len(DEFAULTS) == len(PARAMETERS)
    for parameter in PARAMETERS:
        assert parameter.description.endswith((".", ")"))
        assert parameter.problem_with(parameter.default) is None


def test_every_setting_of_loop_detection_is_a_parameter():
    ours = {name.removeprefix("loop.") for name in DEFAULTS if name.startswith("loop.")}
    assert ours == {setting.name for setting in fields(LoopConfig)}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rate", -1.0, "parameter rate is -1 but must be between 0 and 1000"),
        ("rate", float("nan"), "parameter rate is nan"),
        ("backend", "tpu", "parameter backend is 'tpu' but must be one of auto, "),
        ("dla_core", -2, "parameter dla_core is -2 but must be between -1 and 7"),
        ("camera_pose", (1.0,), "parameter camera_pose needs 6 numbers"),
        ("loop.k", 0, "parameter loop.k is 0 but must be between 1 and 1000"),
        ("loop.features", "surf", "parameter loop.features is 'surf' but must be one of sift, corners, orb"),
    ],
)
def test_values_out_of_range_are_refused_with_their_range(name, value, said):
    with pytest.raises(ConfigError, match=said):
        NodeSettings.from_values({**DEFAULTS, name: value})


@pytest.mark.parametrize(
    ("directory", "path", "whole"),
    [("/maps", "a.a2gc", "/maps/a.a2gc"), ("/maps", "/b.a2gc", "/b.a2gc"), ("~/m", "a", str(Path.home() / "m/a"))],
)
def test_relative_maps_lie_in_the_map_directory(directory, path, whole):
    settings = NodeSettings.from_values({**DEFAULTS, "map_directory": directory})
    assert str(settings.map_path(path)) == whole


def test_the_engine_cache_may_be_named_from_home():
    assert NodeSettings.from_values(DEFAULTS).engine == EngineOptions()
    chosen = {"engine_cache": "~/engines", "engine_workspace": 512, "dla_core": 1}
    assert NodeSettings.from_values({**DEFAULTS, **chosen}).engine == EngineOptions(Path.home() / "engines", 512, 1)


def flat(tree: dict, prefix: str = "") -> dict:
    leaves = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return leaves


def test_the_shipped_parameter_file_names_only_parameters_of_the_right_type(repository):
    tree = yaml.safe_load((repository / "config" / "place_recognition.yaml").read_text(encoding="utf-8"))
    shipped = flat(tree["/**"]["ros__parameters"])
    assert shipped
    for name, value in shipped.items():
        assert type(value) is (list if isinstance(DEFAULTS[name], tuple) else type(DEFAULTS[name])), name
    NodeSettings.from_values({**DEFAULTS, **shipped})


def row(parameter) -> str:
    """One line of the table in docs/ros.md."""
    default = parameter.default
    shown = {True: "true", False: "false"}.get(default, default) if isinstance(default, bool) else default
    if isinstance(default, tuple):
        shown = "[" + ", ".join(f"{value:.4g}" for value in default) + "]"
    shown = '""' if shown == "" else shown
    if parameter.choices:
        allowed = ", ".join(parameter.choices)
    elif parameter.minimum is not None:
        allowed = f"{parameter.minimum:g} to {parameter.maximum:g}"
    else:
        allowed = ""
    change = {"never": "at the start", "unconfigured": "while unconfigured", "anytime": "at any time"}
    columns = (f"`{parameter.name}`", parameter.type_name, f"`{shown}`", allowed, change[parameter.change])
    return f"| {' | '.join(columns)} | {parameter.description} |"


def test_the_documentation_lists_every_parameter_as_it_is(repository):
    text = (repository / "docs" / "ros.md").read_text(encoding="utf-8")
    missing = [row(parameter) for parameter in PARAMETERS if row(parameter) not in text]
    assert missing == [], "docs/ros.md should have:\n" + "\n".join(missing)
    documented = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `") and line.count("|") == 7}
    assert documented == set(DEFAULTS)
