"""ONNX files: their description, how their weights are stored, and the graph as a GPU wants it."""
