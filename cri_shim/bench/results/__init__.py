"""What a run writes down: the form of a result, its file, and what is checked when it is read."""
