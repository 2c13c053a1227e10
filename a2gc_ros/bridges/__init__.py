"""Loop closures in the words of other SLAM back ends: one file for each back end's message."""
