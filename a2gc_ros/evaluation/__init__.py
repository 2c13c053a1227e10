"""How well a model recognises places: data sets with ground truth, stored descriptors, exact search, metrics."""
