"""Between an image and a detection: extractor, maps, detector, the threads that work."""
