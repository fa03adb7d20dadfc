"""What several RPCs need to make and end sandboxes."""
