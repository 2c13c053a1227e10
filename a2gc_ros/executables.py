"""What the installed commands start: they say in one sentence what is not installed, where an import fails."""

from __future__ import annotations

import importlib
import sys
from functools import partial

from a2gc_ros.errors import A2gcError
from a2gc_ros.system.installation import what_is_missing


def _run(name: str, module: str) -> None:
    try:
        importlib.import_module(module).main()
    except ImportError as error:
        missing = what_is_missing(error)
        if missing is None:
            raise
        sys.exit(_said(name, missing))
    except A2gcError as error:
        # Raised while importing, as where an installed package is too old.
        sys.exit(_said(name, str(error)))


def _said(name: str, sentence: str) -> int:
    print(f"{name}: {sentence}", file=sys.stderr)
    return 2


a2gc = partial(_run, "a2gc", "a2gc_ros.cli.main")
place_recognition = partial(_run, "place_recognition", "a2gc_ros.nodes.place_recognition")
bag_player = partial(_run, "bag_player", "a2gc_ros.nodes.bag_player")
pose_graph = partial(_run, "pose_graph", "a2gc_ros.nodes.pose_graph")
rerun_viewer = partial(_run, "rerun_viewer", "a2gc_ros.nodes.rerun_viewer")
