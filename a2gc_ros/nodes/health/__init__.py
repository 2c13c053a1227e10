"""What a node tells about itself: diagnostics, and why an input is silent."""
