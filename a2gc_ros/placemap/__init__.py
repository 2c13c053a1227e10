"""The place map: keyframes in one file, searchable by descriptor."""
