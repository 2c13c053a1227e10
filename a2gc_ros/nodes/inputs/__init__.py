"""What a node hears: images, calibration, odometry, transforms."""
