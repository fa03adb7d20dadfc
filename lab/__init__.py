"""Run a private node for tests and demos: containerd, the daemon, a network, images and a registry in one directory.

Integration and conformance tests, the demo and the benchmarks are built on it. A lab ends what it started by process
id, and everything that it mounts or configures in the kernel has a name of its own, so labs may run side by side.
"""

import os

# grpc would warn at every program that a lab starts; nothing here forks without exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
