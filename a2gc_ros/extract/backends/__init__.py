"""Which runtimes there are, and those that need no engine: OpenVINO and ONNX Runtime."""
