"""A model learns a site: the last statistics of its head, fitted again to unlabeled images of the user's own place."""
