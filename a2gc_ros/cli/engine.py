"""``a2gc engine``: TensorRT engines, built ahead and listed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import group
from a2gc_ros.cli.base.output import echo_json, echo_result, print_table
from a2gc_ros.errors import BackendError, ConfigError, ModelError
from a2gc_ros.system.sizes import show_size

if TYPE_CHECKING:
    from a2gc_ros.extract.engines.library import EngineLibrary, EngineRuntime

engine_app = group("engine", "Build TensorRT engines ahead of time, and see which there are.")

_Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder of the engines; a2gc_ros/engines in your cache folder by default."),
]


@engine_app.command()
def build(
    model: Annotated[str, typer.Argument(help="An ONNX file, or the name of a model that ships.", show_default=False)],
    backend: Annotated[
        str, typer.Option(help="tensorrt, tensorrt-rtx, or auto for the first that is installed.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="fp16, bf16 or fp32; int8 for a quantized file; auto is fp32 or int8.")
    ] = "auto",
    cache: _Cache = None,
    workspace: Annotated[int, typer.Option(help="Most MiB of scratch space for a layer; 0 sets no limit.")] = 0,
    dla_core: Annotated[int, typer.Option(help="DLA core of a Jetson to run on; -1 for the GPU.")] = -1,
    as_json: options.AsJson = False,
) -> None:
    """Build the engine of a model, so that the robot need not when it starts.

    An engine that is there and fits is kept. The node finds it when its parameters are the same. TensorRT builds for
    the GPU of this machine; TensorRT-RTX builds without one, for every RTX since Ampere.

    Examples:
    - `a2gc engine build a2gc-efficientnet-lite0 --precision fp16`

    - `a2gc engine build town.onnx --precision fp16 --workspace 1024 --cache /opt/robot/engines`

    - `a2gc engine build town-int8.onnx --backend tensorrt --precision int8 --dla-core 0`
    """
    from a2gc_ros.extract.choose import find_file, precision_for
    from a2gc_ros.extract.engines.key import EngineOptions
    from a2gc_ros.extract.onnx_files.metadata import read_spec

    path = find_file(model)
    if path is None or path.suffix != ".onnx":
        raise ModelError(f"{model} is no ONNX file and no model that ships; make one with `a2gc export`.")
    if precision not in ("auto", "fp32", "bf16", "fp16", "int8"):
        raise ConfigError(f"--precision is {precision!r}; choose auto, fp32, bf16, fp16 or int8.")
    spec = read_spec(path)
    wanted = precision_for(spec, precision)  # type: ignore[arg-type]  # checked above
    asked = EngineOptions(cache, workspace, dla_core)
    library = _library(backend)(spec, wanted, asked)
    obtained = library.obtain(path, len)
    told = {"path": str(obtained.path), "built": obtained.built, "reason": obtained.reason, **asdict(library.key)}
    echo_result(told, f"{obtained.path}: {show_size(obtained.engine)}; {obtained.reason}.", as_json=as_json)


@engine_app.command()
def info(
    engine: Annotated[
        Path | None, typer.Argument(help="One engine; all in the cache by default.", show_default=False)
    ] = None,
    cache: _Cache = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what engines there are, what each was built of and for, and whether its file is whole.

    Examples:
    - `a2gc engine info`

    - `a2gc engine info --cache /opt/robot/engines --json`
    """
    from a2gc_ros.extract.engines.cache import EngineCache

    if engine is not None and not engine.is_file():
        raise ConfigError(f"{engine} is no file; `a2gc engine info` lists the engines there are.")
    engines = EngineCache(cache)
    rows = [_describe(path) for path in ([engine] if engine is not None else engines.paths())]
    if as_json:
        echo_json(rows)
        return
    if not rows:
        typer.echo(f"There are no engines in {engines.folder}.")
        return
    print_table(("model", "precision", "runtime", "gpu", "size", "built", "state"), map(_cells, rows))


def _library(backend: str) -> type[EngineLibrary]:
    """The class of the library that is asked for, or of the first that is installed."""
    from a2gc_ros.extract.backends.catalogue import load_backend

    libraries = ("tensorrt", "tensorrt-rtx")
    if backend not in ("auto", *libraries):
        raise ConfigError(f"--backend is {backend!r}; choose auto, tensorrt or tensorrt-rtx.")
    refusals = []
    for name in libraries if backend == "auto" else (backend,):
        try:
            runtime: type[EngineRuntime] = load_backend(name)
            return runtime.library
        except BackendError as error:
            refusals.append(str(error))
    raise BackendError(" ".join(refusals))


def _describe(path: Path) -> dict[str, Any]:
    from a2gc_ros.extract.engines.file import EngineFileError, read_engine

    row: dict[str, Any] = {"path": str(path), "state": "whole"}
    try:
        header, _ = read_engine(path)
    except (EngineFileError, OSError) as error:
        return {**row, "state": str(error)}
    return {**row, "size": header.size, "built_s": header.built_s, "built_at": header.built_at, **asdict(header.key)}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "size" not in row:
        return Path(row["path"]).name, "", "", "", "", "", row["state"]
    built = f"{row['built_at']} in {row['built_s']:.0f} s"
    runtime = f"{row['runtime']} {row['version']}"
    return row["model"], row["precision"], runtime, row["gpu"], show_size(row["size"]), built, row["state"]
