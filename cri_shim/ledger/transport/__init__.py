"""How long a message takes to containerd and back: estimated, learned, and held to spans."""
