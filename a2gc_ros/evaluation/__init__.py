"""How well a model recognizes places: data sets with ground truth, stored descriptors, exact search, metrics."""
