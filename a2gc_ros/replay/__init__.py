"""The whole chain over a recording, offline or through the live node, and how many of its closures were right."""
