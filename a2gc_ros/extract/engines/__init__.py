"""TensorRT and TensorRT-RTX: engines that are built once, cached and run."""
