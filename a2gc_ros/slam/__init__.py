"""A pose graph of odometry and loop closures: the reference consumer of closures, and the measure of their worth."""
