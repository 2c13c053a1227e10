"""The pose graph's table of parameters, its documentation and its launch file."""

from __future__ import annotations

import pytest

pytest.importorskip("gtsam", reason="needs GTSAM: pip install gtsam")

from a2gc_ros.errors import ConfigError
from a2gc_ros.nodes.pose_graph_parameters import PARAMETERS, GraphSettings
from a2gc_ros.slam.session import SlamConfig

DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


def test_the_defaults_are_those_of_the_library():
    assert GraphSettings.from_values(DEFAULTS).slam == SlamConfig()


@pytest.mark.parametrize(("name", "value"), [("max_lag", 0.0), ("node_distance", -1.0), ("closure_baseline", 1e9)])
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"parameter {name} is .* must be between"):
        GraphSettings.from_values({**DEFAULTS, name: value})


def row(parameter) -> str:
    default = parameter.default
    shown = str(default).lower() if isinstance(default, bool) else default
    if isinstance(default, tuple):
        shown = "[" + ", ".join(f"{value:.4g}" for value in default) + "]"
    allowed = "" if parameter.minimum is None else f"{parameter.minimum:g} to {parameter.maximum:g}"
    return f"| `{parameter.name}` | {parameter.type_name} | `{shown}` | {allowed} | {parameter.description} |"


def test_the_documentation_lists_every_parameter_as_it_is(repository):
    text = (repository / "docs" / "slam.md").read_text(encoding="utf-8")
    missing = [row(parameter) for parameter in PARAMETERS if row(parameter) not in text]
    assert missing == [], "docs/slam.md should have:\n" + "\n".join(missing)
