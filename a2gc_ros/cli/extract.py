"""``a2gc extract``: descriptors of images."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.errors import ConfigError
from a2gc_ros.shipped import DEFAULT_MODEL
from a2gc_ros.system.progress import progress_over


@app.command()
def extract(
    *,
    images: Annotated[
        list[Path],
        typer.Argument(help="Images, or folders of them; or the .npz files of all parts, to join.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npz file to write.", show_default=False)],
    model: Annotated[str, typer.Option(help="An ONNX file or a model's name.")] = DEFAULT_MODEL,
    runtime: options.Runtime,
    shard: options.Shard = None,
) -> None:
    """Write the descriptors of images to one .npz file.

    It holds `descriptors`, float32 (N, D), `paths`, and `fingerprint`: compare descriptors only where it is equal.
    Parts that are joined give the file of one run; a part that is there already is not described again.

    Examples:
    `a2gc extract photos/ --out photos.npz`

    `a2gc extract a.jpg b.jpg --model salad.onnx --backend onnxruntime --out two.npz`

    `a2gc extract photos/ --shard 2/8 --out part2.npz`

    `a2gc extract part*.npz --out photos.npz`
    """
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.system.shards import parse

    if all(path.suffix == ".npz" for path in images):
        _write(out, **_joined(images))
        return
    paths = [str(path) for path in _find(images)]
    part = None if shard is None else parse(shard)
    extractor = open_extractor(model, **vars(runtime))
    typer.echo(f"{extractor!r}: {extractor.reason}", err=True)
    content: dict[str, Any] = {"fingerprint": extractor.spec.fingerprint}
    if part is not None:
        content["part"], content["of"] = [part.number, part.count], len(paths)
        # Neighbors, so that joined parts are in the order of one run.
        paths = paths[len(paths) * (part.number - 1) // part.count : len(paths) * part.number // part.count]
        if out.exists() and _is(out, paths, content):
            typer.echo(f"{out} is there: {part}, {len(paths)} images", err=True)
            return
    _write(out, descriptors=_descriptors(paths, extractor), paths=paths, **content)


def _descriptors(paths: Sequence[str], extractor: Any) -> Any:
    import numpy as np

    from a2gc_ros.images.decode import read_image

    descriptors = np.empty((len(paths), extractor.spec.descriptor_dim), np.float32)
    found = extractor.stream(read_image(Path(path)) for path in paths)
    for i, descriptor in enumerate(progress_over(found, "extracting", total=len(paths), unit="images")):
        descriptors[i] = descriptor
    return descriptors


def _write(out: Path, **content: Any) -> None:
    import numpy as np

    from a2gc_ros.system.files import draft_of

    with draft_of(out) as draft, draft.open("wb") as file:
        np.savez(file, **{**content, "paths": np.array(content["paths"], dtype=str)})
    count, dim = content["descriptors"].shape
    typer.echo(json.dumps({"images": count, "descriptor_dim": dim, "out": str(out)}))


def _is(out: Path, paths: list[str], content: dict[str, Any]) -> bool:
    """Says whether a file holds this part already, of the same images by the same model."""
    there = _read(out)
    return there["paths"].tolist() == paths and all(there.get(name) == value for name, value in content.items())


def _read(path: Path) -> dict[str, Any]:
    """Reads what this command wrote.

    Raises:
        ConfigError: If the file is none of it.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        content["descriptors"], content["paths"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} is no file of descriptors: name what `a2gc extract --shard` wrote") from error
    return {name: value.tolist() if name in ("part", "of", "fingerprint") else value for name, value in content.items()}


def _joined(files: Sequence[Path]) -> dict[str, Any]:
    """Returns the content of all parts as one.

    Raises:
        ConfigError: If they are not all parts of one run.
    """
    import numpy as np

    parts = {path: _read(path) for path in files}
    for path, part in parts.items():
        if not {"part", "of", "fingerprint"} <= set(part):
            raise ConfigError(f"{path} is no part: name what `a2gc extract --shard` wrote")
        first = parts[files[0]]
        if any(part[name] != first[name] for name in ("fingerprint", "of")) or part["part"][1] != first["part"][1]:
            raise ConfigError(f"{path} and {files[0]} are not of one run: same images, same model, as many parts")
    ordered = sorted(parts.values(), key=lambda part: int(part["part"][0]))
    if missing := set(range(1, ordered[0]["part"][1] + 1)) - {part["part"][0] for part in ordered}:
        raise ConfigError(f"part {min(missing)} of {ordered[0]['part'][1]} is missing: join all parts at once")
    paths = np.concatenate([part["paths"] for part in ordered])
    if len(paths) != ordered[0]["of"]:
        raise ConfigError(f"the parts hold {len(paths)} images of {ordered[0]['of']}: name each part once")
    return {
        "descriptors": np.concatenate([part["descriptors"] for part in ordered]),
        "paths": paths,
        "fingerprint": ordered[0]["fingerprint"],
    }


def _find(given: list[Path]) -> Iterator[Path]:
    """The images themselves, and those in the folders.

    Raises:
        ConfigError: Something given does not exist, or a folder holds no image.
    """
    from a2gc_ros.images.decode import image_files

    for path in given:
        if path.is_file():
            yield path
            continue
        inside = image_files(path)
        if not inside:
            raise ConfigError(f"{path} is neither an image nor a folder with JPEG or PNG files.")
        yield from inside
