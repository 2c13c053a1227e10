"""Torch definitions of backbones, aggregators and the models made of them."""
