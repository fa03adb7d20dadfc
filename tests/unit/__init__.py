"""Tests without root, and without anything that is not in this repository."""

import os

# As in the daemon, which sets it for itself. It has to be there before the first use of grpc.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
