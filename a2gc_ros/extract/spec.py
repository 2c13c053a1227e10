"""What a model file says about itself: enough to prepare its images and to know whose descriptors match."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from a2gc_ros.errors import ConfigError, ModelError
from a2gc_ros.images.preprocess import Preprocessing

FORMAT = "1"
"""Version of the metadata; a reader refuses others."""

StoredPrecision = Literal["fp32", "fp16", "int8"]

_PREFIX = "a2gc."
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelSpec:
    """Identity and input of a model; it travels inside the model's file.

    Attributes:
        name: The model's name in the registry.
        descriptor_dim: Length D of its descriptors.
        preprocessing: The resize it was trained with.
        fingerprint: sha256, 64 hexadecimal digits, over weights, graph and preprocessing. Descriptors are
            comparable if and only if their fingerprints are equal.
        licence: Under which the weights may be used.
        precision: How the file stores the weights. Half precision is arithmetic in float32 on half the bytes.
    """

    name: str
    descriptor_dim: int
    preprocessing: Preprocessing
    fingerprint: str
    licence: str
    precision: StoredPrecision = "fp32"

    def __post_init__(self) -> None:
        if not self.name:
            raise ModelError("A model without a name cannot be described; give it one.")
        if self.descriptor_dim < 1:
            raise ModelError(f"{self.name}: its descriptor has length {self.descriptor_dim}; it must be positive.")
        if not _FINGERPRINT.fullmatch(self.fingerprint):
            raise ModelError(f"{self.name}: its fingerprint {self.fingerprint!r} is no sha256; export the model again.")
        if self.precision not in get_args(StoredPrecision):
            raise ModelError(
                f"{self.name}: it stores its weights as {self.precision!r}, which this version does not know; "
                f"export it again as one of {', '.join(get_args(StoredPrecision))}."
            )

    def to_metadata(self) -> dict[str, str]:
        """The entries for an ONNX file's metadata_props."""
        return {
            _PREFIX + "format": FORMAT,
            _PREFIX + "name": self.name,
            _PREFIX + "descriptor_dim": str(self.descriptor_dim),
            _PREFIX + "preprocessing": json.dumps(self.preprocessing.to_dict(), sort_keys=True),
            _PREFIX + "fingerprint": self.fingerprint,
            _PREFIX + "licence": self.licence,
            _PREFIX + "precision": self.precision,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> ModelSpec:
        """Reads what :meth:`to_metadata` wrote; entries of other tools are ignored.

        Raises:
            ModelError: The entries are absent, incomplete, of another version, or make no sense.
        """
        entries = {k[len(_PREFIX) :]: v for k, v in metadata.items() if k.startswith(_PREFIX)}
        if "format" not in entries:
            raise ModelError("it says nothing about its preprocessing and fingerprint; make it with `a2gc export`.")
        if entries["format"] != FORMAT:
            raise ModelError(
                f"its description has format {entries['format']!r}, and this version reads {FORMAT!r}; "
                "export it again with this version."
            )
        try:
            return cls(
                name=entries["name"],
                descriptor_dim=int(entries["descriptor_dim"]),
                preprocessing=Preprocessing.from_dict(json.loads(entries["preprocessing"])),
                fingerprint=entries["fingerprint"],
                licence=entries["licence"],
                precision=entries["precision"],  # type: ignore[arg-type]  # checked by __post_init__
            )
        except KeyError as error:
            raise ModelError(f"its description lacks {error.args[0]!r}; export it again.") from None
        except (ValueError, TypeError, AttributeError, ConfigError) as error:
            raise ModelError(f"its description is damaged ({error}); export it again.") from None
