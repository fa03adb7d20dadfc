"""The laboratory: a private containerd, the daemon in front of it, a network, images and a registry in one directory.

Integration and conformance tests, the demo and the pod start benchmark stand on it. Whatever a lab starts it ends by
process id, and whatever it mounts or configures in the kernel carries a name of its own, so labs may run side by side.
"""

import os

# grpc would warn at every program we start; nothing here forks without exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
