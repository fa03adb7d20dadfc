"""What figures of two sides say: estimates, noise, and a verdict."""
