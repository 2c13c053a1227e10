"""What needs torch: running a model without an export, and exporting it."""
