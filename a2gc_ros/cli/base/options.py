"""Arguments and options that several verbs have, each with one meaning; a dataclass is a group of them."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.shipped import DEFAULT_MODEL

Bag = Annotated[Path, typer.Argument(help="A .bag, .mcap or .db3 file, or a rosbag2 folder.", show_default=False)]
NewBag = Annotated[
    Path, typer.Option(help="Recording to write: .mcap, .db3, .bag, or no suffix for a folder.", show_default=False)
]
MapFile = Annotated[Path, typer.Argument(help="A place map (.a2gc).", show_default=False)]
NewMap = Annotated[Path, typer.Option(help="The map to write; must not exist.", show_default=False)]
NewModel = Annotated[Path, typer.Option("--out", "-o", help="The ONNX file to write.", show_default=False)]
NewPictures = Annotated[Path, typer.Option(help="Folder for the pictures; made if absent.", show_default=False)]
Model = Annotated[str, typer.Option(help="Named model, or path of an .onnx file.")]
Backend = Annotated[str, typer.Option(help="auto, or a runtime that docs/export.md lists, such as openvino.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads for inference; 0 leaves it to the runtime.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Image topic, where there are several.")]
Odometry = Annotated[
    str | None, typer.Option("--odometry", "--pose-topic", help="Topic of poses; an empty name takes none.")
]
LoopSettings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of loop detection, as in threshold=0.8.")
]
Rectification = Annotated[
    str, typer.Option(help="Whether the images are raw or rectified; auto takes it from the topic's name.")
]
SensorBits = Annotated[
    int, typer.Option(min=0, max=16, help="Bits in use of mono16 and 16-bit mosaics; 0 takes what images show.")
]
Shard = Annotated[
    str | None,
    typer.Option(help="Do one part of several, as 2/8; auto/8 asks SLURM or Kubernetes which.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

DataRoot = Annotated[Path | None, typer.Option(help="Folder of data sets.", envvar="A2GC_DATA", show_default=False)]
Database = Annotated[Path | None, typer.Option(help="Folder or recording that is searched.")]
Queries = Annotated[Path | None, typer.Option(help="Folder or recording of queries.")]
Truth = Annotated[
    str | None, typer.Option(help="Positions or right pairs (.csv, .npy); for recordings a topic or file of poses.")
]
Store = Annotated[Path | None, typer.Option(help="Folder that keeps descriptors.  [default: the user's cache folder]")]


@dataclass(frozen=True)
class Runtime:
    """What a model runs in."""

    backend: Backend = "auto"
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16, fp16, int8 or int8-bf16.")] = "auto"
    threads: Threads = 0


@dataclass(frozen=True)
class Chain:
    """Over which part of a recording the chain runs, and with which model."""

    start: Annotated[float | None, typer.Option(min=0, help="First second of the recording.")] = None
    stop: Annotated[float | None, typer.Option(min=0, help="First second no longer used.")] = None
    model: Model = DEFAULT_MODEL
    backend: Backend = "auto"
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")] = 0
    image_topic: Topic = None


@dataclass(frozen=True)
class SamePlace:
    """When two images of one's own data show the same place, and which images there are."""

    radius: Annotated[
        float | None, typer.Option(min=0.01, help="Metres that are right: 25 for folders, 15 for recordings.")
    ] = None
    heading: Annotated[float, typer.Option(min=1, max=180, help="Degrees of heading that are right.")] = 45.0
    spacing: Annotated[float, typer.Option(min=0, help="Metres between images of a recording.")] = 1.0
    topic: Topic = None


def loop_settings(entries: list[str] | None) -> dict[str, Any]:
    """Reads ``name=value`` pairs; values are YAML, so numbers are numbers."""
    import yaml

    from a2gc_ros.errors import ConfigError
    from a2gc_ros.loops import LoopConfig

    known = [field.name for field in dataclasses.fields(LoopConfig)]
    values = {}
    for entry in entries or ():
        name, equals, value = entry.partition("=")
        if not equals:
            raise ConfigError(f"--set {entry} has no value: write it as in threshold=0.8")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"--set {name} is no setting of loop detection; {hint}")
        values[name] = yaml.safe_load(value)
    return values
