"""What every node of ours stands on: lifecycle, guards, executor, parameters, qualities of service."""
