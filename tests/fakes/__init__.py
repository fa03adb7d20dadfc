"""Stand-ins for what tests cannot have: programs, daemons and services in memory."""
