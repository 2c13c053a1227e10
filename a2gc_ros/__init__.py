"""Visual place recognition for robots: camera images in, trustworthy loop closures out."""

__version__ = "0.1.0"
