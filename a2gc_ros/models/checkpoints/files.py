"""Strict reading and writing of weights: every tensor of a file has its place, or the file is refused.

Nothing here can run code from a file: safetensors, or `torch.load` with `weights_only=True`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from a2gc_ros.errors import CheckpointError, ConfigError, ModelError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models.architecture import Architecture
from a2gc_ros.models.checkpoints.layouts import LAYOUTS, CheckpointLayout, detect_layout
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.system.files import draft_of

FORMAT = "a2gc_ros/1"
METADATA_KEY = "a2gc_ros"
"""Entry of a Lightning checkpoint that holds `metadata` of the model."""

UNSPECIFIED = "unspecified"
"""The licence of a file that states none."""

STATES = ("state_dict", "model_state_dict")
"""Entries under which trainings keep weights, beside the state of an optimizer and the like."""

WRAPPERS = ("module.", "model.", "_orig_mod.")
"""What DataParallel and DDP, Lightning, and torch.compile put before every name."""

GEOMETRY = ("aggregator.geo_proj.weight", "aggregator.geo_proj.bias", "aggregator.cluster_geo", "aggregator.geo_scale")
"""What A²GC has and SALAD has not."""


@dataclass(frozen=True)
class LoadReport:
    """What loading did, by the names of the model.

    Attributes:
        layout: Key of `LAYOUTS`, how the file was read.
        loaded: Tensors that came from the file.
        fresh: Tensors the file was allowed to lack, and which stayed as they were.
        fixed: Tensors that the publisher's files do not hold and its code gives a fixed value, which they now have.
        unused: Tensors of the file for parts that this model was built without.
    """

    layout: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    fixed: tuple[str, ...]


def load(model: PlaceModel, path: Path, layout: str | None = None, *, may_lack: Sequence[str] = ()) -> LoadReport:
    """Loads a file in one of `LAYOUTS` into a model.

    Args:
        model: The model to fill.
        path: A .safetensors file, or one that `torch.load` reads.
        layout: Key of `LAYOUTS`; found from the names in the file if not given.
        may_lack: Patterns of further names that may stay as they are.

    Raises:
        CheckpointError: The file is unreadable, or a tensor is missing, surplus or misshapen; the message lists them,
            and the model is left as it was.
    """
    return load_tensors(model, read_tensors(path), layout, may_lack=may_lack, source=str(path))


def load_tensors(
    model: PlaceModel,
    found: Mapping[str, Tensor],
    layout: str | None = None,
    *,
    may_lack: Sequence[str] = (),
    source: str,
) -> LoadReport:
    """`load` for what was read from a file already; `source` names the file in messages."""
    layout = layout or detect_layout(found, source=source)
    if layout not in LAYOUTS:
        raise CheckpointError(f"There is no checkpoint layout {layout!r}; choose one of {', '.join(sorted(LAYOUTS))}.")
    rules = LAYOUTS[layout]
    module = model.backbone if rules.part == "backbone" else model
    tensors, expected = in_our_words(found, rules), module.state_dict()
    fixed = {
        name: torch.full_like(expected[name], value)
        for name, value in rules.fixed.items()
        if name in expected and name not in tensors
    }
    missing = [name for name in expected if name not in tensors and name not in fixed]
    surplus = [name for name in tensors if name not in expected]
    fresh = [name for name in missing if _matches(name, (*rules.may_lack, *may_lack))]
    cut_off = [pattern for pattern in rules.unused if not any(fnmatchcase(name, pattern) for name in expected)]
    unused = [name for name in surplus if _matches(name, cut_off)]
    loaded = {name: tensors[name] for name in expected if name in tensors}
    complaints = {
        "missing": [name for name in missing if name not in fresh],
        "surplus": [name for name in surplus if name not in unused],
        "misshapen": [
            f"{name} is {_shape(tensor)} and should be {_shape(expected[name])}"
            for name, tensor in loaded.items()
            if tensor.shape != expected[name].shape
        ],
    }
    said = "; ".join(f"{title}: {', '.join(names)}" for title, names in complaints.items() if names)
    if said:
        raise CheckpointError(
            f"{source} (read as {rules.title}) does not fit this model; {said}. Use the file this model was made for, "
            "or build the model with the options the file was made with."
        )
    module.load_state_dict({**expected, **fixed, **loaded})
    return LoadReport(layout, tuple(loaded), tuple(fresh), tuple(unused), tuple(fixed))


def in_our_words(tensors: Mapping[str, Tensor], layout: CheckpointLayout) -> dict[str, Tensor]:
    """A publisher's tensors by our names and in our shapes."""
    ours = {layout.renamed(name): tensor for name, tensor in tensors.items()}
    for name in layout.pointwise:
        if name in ours and ours[name].dim() == 4 and ours[name].shape[2:] == (1, 1):
            ours[name] = ours[name].flatten(1)
    return ours


def warm_start(model: PlaceModel, path: Path) -> LoadReport:
    """Starts an A²GC model from SALAD's checkpoint; the report's `fresh` lists the geometry it does not hold."""
    return load(model, path, "salad", may_lack=GEOMETRY)


def metadata(model: PlaceModel, **extra: str) -> dict[str, str]:
    """What a file must say beside the weights so that the model can be rebuilt from it alone."""
    return {
        "format": FORMAT,
        "name": model.name,
        "architecture": json.dumps(model.architecture.to_dict(), sort_keys=True),
        "preprocessing": json.dumps(model.preprocessing.to_dict(), sort_keys=True),
        **extra,
    }


def save(model: PlaceModel, path: Path, **extra: str) -> None:
    """Writes a model as one safetensors file that `restore` needs nothing else for, whole or not at all.

    `extra` is further metadata, such as licence="Apache-2.0".
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with draft_of(path) as draft:
        save_file(tensors, draft, metadata=metadata(model, **extra))


def restore(path: Path) -> PlaceModel:
    """Rebuilds a model from a file that `save` or a training of this project wrote.

    Raises:
        CheckpointError: The file is damaged, of another kind, or does not fit what it says of itself.
    """
    description = _description(path)
    if description is None:
        raise CheckpointError(
            f"{path} does not say which model it holds, so it was not written by this project: build the model by name "
            "and load the file in its publisher's layout."
        )
    try:
        model = PlaceModel(
            Architecture.from_dict(json.loads(description["architecture"])),
            Preprocessing.from_dict(json.loads(description["preprocessing"])),
            name=description["name"],
        )
    except (KeyError, TypeError, ValueError, ModelError, ConfigError) as error:
        raise CheckpointError(f"{path} describes no model that can be built ({error}): it is damaged.") from error
    load(model, path, "own" if _is_safetensors(path) else "lightning")
    return model.eval()


def describes_itself(path: Path) -> bool:
    """Whether a file says which model it holds, so that `restore` can rebuild it; CheckpointError if unreadable."""
    return _description(path) is not None


def stated_licence(path: Path) -> str:
    """The licence a file states, or `UNSPECIFIED`."""
    stated = read_metadata(path).get("licence") if _is_safetensors(path) else None
    return stated or UNSPECIFIED


def _description(path: Path) -> Mapping[str, Any] | None:
    """What a file of this project says of its model; None for files of others."""
    said = read_metadata(path) if _is_safetensors(path) else _read_torch(path).get(METADATA_KEY)
    return said if isinstance(said, Mapping) and said.get("format") == FORMAT else None


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by name; of a training checkpoint, those of its model, without what wraps every name.

    Raises:
        CheckpointError: The file cannot be read without running code from it, or holds no tensors by name.
    """
    if _is_safetensors(path):
        try:
            with safe_open(path, "pt") as file:
                return _unwrapped({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, error) from error
    content = _read_torch(path)
    state = next((content[name] for name in STATES if name in content), content)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds something other than tensors by name: it is not a file of weights.")
    return _unwrapped(state)


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = dict(tensors)
    while names and (wrapper := next((w for w in WRAPPERS if all(name.startswith(w) for name in names)), None)):
        names = {name.removeprefix(wrapper): tensor for name, tensor in names.items()}
    return names


def _is_safetensors(path: Path) -> bool:
    return path.suffix == ".safetensors"


def _read_torch(path: Path) -> Mapping[str, Any]:
    # A damaged zip archive or pickle raises almost anything, and none of it is of use to the reader.
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(path, error) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__} and not tensors by name.")
    return content


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    if isinstance(error, FileNotFoundError):
        return CheckpointError(f"There is no weights file {path}.")
    reason = str(error).strip().splitlines()
    return CheckpointError(
        f"{path} cannot be read as weights ({reason[0] if reason else type(error).__name__}): it is damaged, or holds "
        "more than weights, which is refused because such a file could run code."
    )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"
