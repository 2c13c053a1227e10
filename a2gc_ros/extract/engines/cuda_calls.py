"""The few calls of the CUDA runtime that an engine needs, with errors a person can act on.

``cuda-bindings`` are NVIDIA's own bindings. They carry the runtime inside, so that only the driver must be installed,
and each thread uses the first GPU without being told; CUDA_VISIBLE_DEVICES chooses another.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from cuda.bindings import runtime as cudart
from numpy.typing import DTypeLike, NDArray

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.gpu import OUT_OF_MEMORY, Gpu

_NO_GPU = (
    cudart.cudaError_t.cudaErrorInsufficientDriver,
    cudart.cudaError_t.cudaErrorNoDevice,
    cudart.cudaError_t.cudaErrorInitializationError,
)


def call(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """Calls the CUDA runtime and returns what it gives: nothing, a value, or a tuple.

    Raises:
        BackendError: It failed.
    """
    status, *values = function(*arguments)
    if status == cudart.cudaError_t.cudaErrorMemoryAllocation:
        raise BackendError(f"CUDA failed: {OUT_OF_MEMORY}.")
    if status in _NO_GPU:
        raise BackendError(
            f"No NVIDIA GPU can be used here ({_text(status)}); install a driver that is as new as cuda-bindings, "
            "or use a CPU backend."
        )
    if status != cudart.cudaError_t.cudaSuccess:
        raise BackendError(f"CUDA failed in {function.__name__} ({_text(status)}).")
    return values[0] if len(values) == 1 else tuple(values)


def _text(status: Any) -> str:
    _, text = cudart.cudaGetErrorString(status)
    return text.decode() if isinstance(text, bytes) else str(text)


def first_gpu() -> Gpu:
    """The GPU that engines run on; raises BackendError if there is none, or its driver is too old."""
    properties = call(cudart.cudaGetDeviceProperties, 0)
    name = properties.name.split(b"\0")[0].decode(errors="replace")
    return Gpu(name, f"{properties.major}.{properties.minor}")


class CudaStream:
    """A stream of its own, beside CUDA's default one."""

    def __init__(self) -> None:
        self.handle: Any = call(cudart.cudaStreamCreateWithFlags, cudart.cudaStreamNonBlocking)
        weakref.finalize(self, cudart.cudaStreamDestroy, self.handle)

    def __int__(self) -> int:
        return int(self.handle)

    def wait(self) -> None:
        """Returns when all that was put on the stream is done."""
        call(cudart.cudaStreamSynchronize, self.handle)

    def record(self, work: Callable[[], None]) -> RecordedGraph:
        """Records what ``work`` puts on the stream; nothing of it runs.

        Raises:
            BackendError: It did something that cannot be recorded.
        """
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call(cudart.cudaStreamBeginCapture, self.handle, mode)
        try:
            work()
        except BaseException:
            # Whatever it answers, the stream is usable again.
            cudart.cudaStreamEndCapture(self.handle)
            raise
        return RecordedGraph(call(cudart.cudaStreamEndCapture, self.handle))


class RecordedGraph:
    """A CUDA graph: work that was recorded once and is launched as one."""

    def __init__(self, graph: Any) -> None:
        try:
            self._executable = call(cudart.cudaGraphInstantiate, graph, 0)
        finally:
            cudart.cudaGraphDestroy(graph)
        weakref.finalize(self, cudart.cudaGraphExecDestroy, self._executable)

    def launch(self, stream: CudaStream) -> None:
        """Puts the work on a stream."""
        call(cudart.cudaGraphLaunch, self._executable, stream.handle)


class Memory:
    """Memory on the GPU, of a size in bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.address = int(call(cudart.cudaMalloc, size))
        weakref.finalize(self, cudart.cudaFree, self.address)


class Mirror:
    """An array in pinned host memory, which the GPU copies without a detour, and its place on the GPU."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        pinned = int(call(cudart.cudaHostAlloc, size, cudart.cudaHostAllocDefault))
        weakref.finalize(self, cudart.cudaFreeHost, pinned)
        self.device = Memory(size)
        raw = np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(pinned))
        self.host: NDArray[Any] = raw.view(dtype).reshape(shape)

    def upload(self, rows: int, stream: CudaStream) -> None:
        """Copies the first rows to the GPU."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.device.address, self.host.ctypes.data, rows, kind, stream)

    def download(self, rows: int, stream: CudaStream) -> None:
        """Copies the first rows from the GPU."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(self.host.ctypes.data, self.device.address, rows, kind, stream)

    def _copy(self, target: int, source: int, rows: int, kind: Any, stream: CudaStream) -> None:
        call(cudart.cudaMemcpyAsync, target, source, self.host[:rows].nbytes, kind, stream.handle)
