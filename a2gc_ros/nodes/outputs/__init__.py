"""What a node says: closures, poses, markers, pictures."""
