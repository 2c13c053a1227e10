"""Readers of benchmark data sets, one for each layout they are published in."""
