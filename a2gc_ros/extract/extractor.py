"""RGB images in, descriptors out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import BackendError, ImageError
from a2gc_ros.extract.runtime import OnGpu, Precision, Runtime
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.images.ahead import one_ahead

BATCH = 16
"""Images that :meth:`Extractor.extract` prepares and runs at once."""


class Extractor:
    """A model that is ready to run, together with the preprocessing it needs.

    Args:
        spec: Description of the model.
        runtime: The loaded model.
        reason: Why this runtime was chosen, for a log line.
    """

    def __init__(self, spec: ModelSpec, runtime: Runtime, *, reason: str = "") -> None:
        self.spec = spec
        self.reason = reason
        self._runtime = runtime
        self._input = (spec.preprocessing.height, spec.preprocessing.width, 3)

    @property
    def backend(self) -> str:
        """Name of the runtime."""
        return self._runtime.name

    @property
    def precision(self) -> Precision:
        """What the runtime computes in."""
        return self._runtime.precision

    def gpu_memory_mb(self) -> tuple[float, float] | None:
        """Memory of the GPU in use, by all processes, and in total, in 10^6 bytes; None where no GPU is used.

        Raises:
            BackendError: The GPU does not answer.
        """
        return self._runtime.gpu_memory_mb() if isinstance(self._runtime, OnGpu) else None

    def __repr__(self) -> str:
        return (
            f"Extractor({self.spec.name!r}, {self._input[0]}x{self._input[1]}, backend={self.backend!r}, "
            f"precision={self.precision!r}, fingerprint={self.spec.fingerprint[:12]}…)"
        )

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resizes an image as the model was trained.

        Args:
            image: uint8 (H, W, 3), RGB, of any size.

        Returns:
            uint8 (height, width, 3).

        Raises:
            ImageError: It is no such image.
        """
        return self.spec.preprocessing.apply(image)

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors of prepared images.

        Args:
            batch: uint8 (N, height, width, 3), RGB.

        Returns:
            float32 (N, D); every row has length one.

        Raises:
            ImageError: The batch has another type or shape.
            BackendError: The runtime failed, or gave a descriptor that is not finite.
        """
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != self._input:
            raise ImageError(
                f"{self.spec.name} takes uint8 batches of shape (N, {', '.join(map(str, self._input))}), not "
                f"{batch.dtype} {batch.shape}; prepare the images first."
            )
        if len(batch) == 0:
            return np.empty((0, self.spec.descriptor_dim), np.float32)
        descriptors = self._runtime(np.ascontiguousarray(batch))
        if descriptors.shape != (len(batch), self.spec.descriptor_dim):
            raise BackendError(
                f"{self.spec.name} gave descriptors of shape {descriptors.shape} instead of "
                f"({len(batch)}, {self.spec.descriptor_dim}); export it again."
            )
        # Reduced precisions leave lengths a little off one.
        lengths = np.linalg.norm(descriptors, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise BackendError(
                f"{self.spec.name} on {self.backend} in {self.precision} gave a descriptor that is not finite; "
                "use precision fp32."
            )
        return descriptors / lengths

    def extract(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Descriptors of images of any size.

        Args:
            images: uint8 (H, W, 3) each, RGB.

        Returns:
            float32 (N, D); every row has length one.

        Raises:
            ImageError: One of them is no such image; the message counts from 0.
            BackendError: The runtime failed.
        """
        result = np.empty((len(images), self.spec.descriptor_dim), np.float32)
        starts = range(0, len(images), BATCH)
        batches = (self._batch(images[start : start + BATCH], start) for start in starts)
        for start, batch in zip(starts, one_ahead(batches) if len(starts) > 1 else batches, strict=True):
            result[start : start + len(batch)] = self.run(batch)
        return result

    def stream(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Descriptors of images one by one, each read and resized while the runtime works on the one before.

        Args:
            images: uint8 (H, W, 3) each, RGB; a generator that decodes files is worked on by a second thread.

        Yields:
            float32 (D,), of length one.

        Raises:
            ImageError: One of them is no such image.
            BackendError: The runtime failed.
        """
        for prepared in one_ahead(self.prepare(image) for image in images):
            yield self.run(prepared[None])[0]

    def _batch(self, images: Sequence[NDArray[np.uint8]], first: int) -> NDArray[np.uint8]:
        """Prepared images (N, height, width, 3); an error names the image, counted from ``first``."""
        batch = np.empty((len(images), *self._input), np.uint8)
        for i, image in enumerate(images):
            try:
                batch[i] = self.prepare(image)
            except ImageError as error:
                raise ImageError(f"Image {first + i}: {error}") from None
        return batch

    def extract_one(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptor (D,), float32, of one image, uint8 (H, W, 3); errors as in :meth:`extract`."""
        return self.run(self.prepare(image)[None])[0]
