"""The aggregators that come with the project, one in each file, and the mathematics that several of them share."""
