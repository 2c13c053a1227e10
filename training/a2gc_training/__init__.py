"""Training and benchmark evaluation of place-recognition models."""
