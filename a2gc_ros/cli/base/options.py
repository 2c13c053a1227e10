"""Arguments and options that several verbs have, each with one meaning."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import Annotated, Any

from a2gc_ros.cli.base import any_typer as typer

Bag = Annotated[Path, typer.Argument(help="A .bag, .mcap or .db3 file, or a rosbag2 folder.", show_default=False)]
MapFile = Annotated[Path, typer.Argument(help="A place map (.a2gc).", show_default=False)]
Model = Annotated[str, typer.Option(help="Named model, or path of an .onnx file.")]
Backend = Annotated[str, typer.Option(help="auto, or a runtime that docs/export.md lists, such as openvino.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16, fp16, int8 or int8-bf16.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads for inference; 0 leaves it to the runtime.")]
ChainThreads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")]
Topic = Annotated[str | None, typer.Option(help="Image topic, where there are several.")]
Start = Annotated[float | None, typer.Option(min=0, help="First second of the recording.")]
Stop = Annotated[float | None, typer.Option(min=0, help="First second no longer used.")]
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
Radius = Annotated[
    float | None, typer.Option(min=0.01, help="Metres that are right: 25 for folders, 15 for recordings.")
]
Heading = Annotated[float, typer.Option(min=1, max=180, help="Degrees of heading that are right.")]
Spacing = Annotated[float, typer.Option(min=0, help="Metres between images of a recording.")]
Store = Annotated[Path | None, typer.Option(help="Folder that keeps descriptors.  [default: the user's cache folder]")]


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
