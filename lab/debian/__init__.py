"""What Debian's newer suites have and this machine does not: unpacked in the checkout, never installed."""
