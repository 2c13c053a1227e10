"""Runnable models: RGB images in, descriptors out."""
