"""Options that several verbs have, each with one meaning."""

from __future__ import annotations

from typing import Annotated

from a2gc_ros.cli.base import any_typer as typer

Backend = Annotated[str, typer.Option(help="auto, or a runtime that docs/export.md lists, such as openvino.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16, fp16, int8 or int8-bf16.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads for inference; 0 leaves it to the runtime.")]
ChainThreads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")]
Topic = Annotated[str | None, typer.Option(help="Image topic, where there are several.")]
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
