"""Start-up, shutdown and wiring of the daemon, and what it shows of itself."""
