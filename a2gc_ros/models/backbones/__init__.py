"""The backbones that come with the project, one in each file."""
