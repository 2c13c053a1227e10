"""A procedurally built town with a camera robot in it: recordings with exact ground truth.

Layout, route, odometry and traffic are plain numpy; only ``scene``, ``gl`` and ``render`` touch MuJoCo, and they
import it when they are used.
"""
