"""A pod with a user namespace of its own and one without, for tests of both."""

from __future__ import annotations

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.sandboxes import Sandbox
from lab.pod_configs import pod_config

RANGE = cri.IDMapping(host_id=100_000, container_id=0, length=65_536)
USERNS = cri.UserNamespace(mode=cri.POD, uids=[RANGE], gids=[RANGE])
ENTRY = ({"containerID": 0, "hostID": 100_000, "size": 65_536},)
"""The mapping as an entry of the runtime spec."""

MAPPED = Sandbox("p1", "p1", pod_config(userns=USERNS), 1, pid=7)
PLAIN = Sandbox("p2", "p2", pod_config(), 1, pid=8)
