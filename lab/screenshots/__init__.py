"""Take the pictures of the explorer page that docs show, from a real daemon with real pods."""
