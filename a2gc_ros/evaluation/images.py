"""The images of a data set, as files below a folder or frames of a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError, ImageError
from a2gc_ros.images.ahead import done_ahead
from a2gc_ros.images.decode import image_files, read_image

DECODERS = 2
AHEAD = 16
"""Images that are decoded before they are wanted."""


class ImageSet(Protocol):
    """Images in a fixed order.

    Attributes:
        name: What they are called in messages.
        origin: Where they lie; with the names it tells this set from all others.
        names: The name of each, unique.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def origin(self) -> str: ...  # noqa: D102

    @property
    def names(self) -> Sequence[str]: ...  # noqa: D102

    def marks(self) -> NDArray[np.int64]:
        """A number for each image that differs once its content does, and is cheap to know; int64 (N,), none below 0.

        Raises:
            DatasetError: An image is missing.
        """

    def read(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yields the images of some rows, ascending; each uint8 (H, W, 3), RGB.

        Raises:
            DatasetError: An image cannot be read.
        """


class FileImages:
    """Image files below a folder, named by their paths relative to it."""

    def __init__(self, name: str, root: Path, names: Sequence[str]) -> None:
        self.name = name
        self.root = root
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    @property
    def origin(self) -> str:
        """The folder."""
        return str(self.root.resolve())

    def missing(self) -> list[str]:
        """Names of the files that are not there."""
        return [name for name in self.names if not (self.root / name).is_file()]

    def marks(self) -> NDArray[np.int64]:
        """The size of each file in bytes: a data set unpacked anew keeps it, one made smaller does not."""
        sizes = np.empty(len(self.names), np.int64)
        for row, name in enumerate(self.names):
            try:
                sizes[row] = (self.root / name).stat().st_size
            except OSError as error:
                raise DatasetError(
                    f"{self.name} needs the image {self.root / name}, which cannot be read ({error.strerror}); "
                    "complete the data set."
                ) from None
        return sizes

    def read(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yields images, decoding a few ahead."""
        return done_ahead(rows.tolist(), self._read, steps=AHEAD, threads=DECODERS)

    def _read(self, row: int) -> NDArray[np.uint8]:
        try:
            return read_image(self.root / self.names[row])
        except ImageError as error:
            raise DatasetError(f"{self.name}: {error}; fetch that file again, the rest is kept.") from None


def find_images(folder: Path, name: str) -> FileImages:
    """The images in a folder and the folders in it, in order of their paths.

    Where ``FOLDER_images_paths.txt`` lies beside the folder, it lists them: walking millions of files takes long.

    Raises:
        DatasetError: There is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DatasetError(f"{name}: there is no folder {folder}; check the path.")
    listing = folder.with_name(folder.name + "_images_paths.txt")
    if listing.is_file():
        names = [line for line in listing.read_text(encoding="utf-8").splitlines() if line]
    else:
        names = sorted(path.relative_to(folder).as_posix() for path in image_files(folder))
    if not names:
        raise DatasetError(f"{name}: {folder} holds no JPEG or PNG file; unpack the images there.")
    return FileImages(name, folder, names)
