"""From matches to candidates to verified loop closures."""
