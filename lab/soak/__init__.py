"""Keep a node busy for as long as one likes, and prove that nothing of it stays behind: ``make soak``."""
