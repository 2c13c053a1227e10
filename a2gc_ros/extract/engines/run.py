"""An engine at work: pinned buffers, one stream, and one launch for an image."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.build import failure
from a2gc_ros.extract.engines.cuda_calls import CudaStream, Memory, Mirror, RecordedGraph
from a2gc_ros.extract.engines.library import EngineLibrary
from a2gc_ros.extract.spec import ModelSpec

_log = logging.getLogger(__name__)


class EngineRun:
    """Runs an engine for batches up to its largest.

    Single images, which is what a camera gives, have a context and buffers of their own: what is recorded as a CUDA
    graph, where the library asks for it, holds only as long as nobody changes the shapes of its context. Its memory is
    what one image needs; that for batches is taken when the first one comes.

    Raises:
        BackendError: The GPU's memory does not suffice.
    """

    def __init__(self, library: EngineLibrary, engine: Any, spec: ModelSpec) -> None:
        self._lock = threading.Lock()
        self._most = library.key.most_images
        self._stream = CudaStream()
        strategy = library.trt.ExecutionContextAllocationStrategy

        def lane(images: int, memory: Any) -> _Lane:
            size = (images, spec.preprocessing.height, spec.preprocessing.width, 3)
            return _Lane(library.trt, library.context(engine, memory), self._stream, size, spec.descriptor_dim)

        self._new_batches = lambda: lane(self._most, strategy.STATIC)
        self._batches: _Lane | None = None
        self._single = lane(1, strategy.USER_MANAGED)
        self._single.keep_shape(record=library.records)

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptors (N, D) of images (N, height, width, 3); any number of them."""
        with self._lock:
            if len(batch) == 1:
                return self._single(batch)
            if self._most == 1:
                return np.concatenate([self._single(batch[i : i + 1]) for i in range(len(batch))])
            if self._batches is None:
                self._batches = self._new_batches()
            run = self._batches
            return np.concatenate([run(batch[i : i + self._most]) for i in range(0, len(batch), self._most)])


class _Lane:
    """A context with its buffers."""

    def __init__(self, trt: Any, context: Any, stream: CudaStream, images: tuple[int, ...], dim: int) -> None:
        if context is None:
            raise failure(trt, "cannot run the engine")
        self._trt, self._context, self._stream = trt, context, stream
        self._images = Mirror(images, np.uint8)
        self._descriptors = Mirror((images[0], dim), np.float32)
        self._rows = 0
        self._scratch: Memory | None = None
        self._record = False
        self._recording: RecordedGraph | None = None
        for name, mirror in (("images", self._images), ("descriptor", self._descriptors)):
            if not context.set_tensor_address(name, mirror.device.address):
                raise failure(trt, f"does not know the tensor {name!r} of its engine")

    def keep_shape(self, *, record: bool) -> None:
        """Takes the memory for full batches, which are then the only ones; may record the first run for the next."""
        self._set_rows(len(self._images.host))
        self._scratch = Memory(self._context.update_device_memory_size_for_shapes())
        self._context.set_device_memory(self._scratch.address, self._scratch.size)
        self._record = record

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = len(batch)
        self._images.host[:rows] = batch
        if rows != self._rows:
            self._set_rows(rows)
        if self._recording is not None:
            self._recording.launch(self._stream)
        else:
            self._enqueue()
        self._stream.wait()
        descriptors: NDArray[np.float32] = self._descriptors.host[:rows].copy()
        if self._record:
            self._record_for_next_time()
        return descriptors

    def _set_rows(self, rows: int) -> None:
        shape = (rows, *self._images.host.shape[1:])
        if not self._context.set_input_shape("images", shape):
            raise failure(self._trt, f"does not take a batch of shape {shape}")
        self._rows = rows

    def _enqueue(self) -> None:
        self._images.upload(self._rows, self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            raise failure(self._trt, "failed")
        self._descriptors.download(self._rows, self._stream)

    def _record_for_next_time(self) -> None:
        """Records after a first run, in which the context did what it does once."""
        self._record = False
        try:
            self._recording = self._stream.record(self._enqueue)
        except BackendError as error:
            _log.info("the engine runs without a CUDA graph: %s", error)
