"""Whether all sides do the same work, before anything is timed."""
