"""What several RPCs need to make, start and end pods and containers."""
