"""What each piece of a request is for, in words that explain how a container runtime works.

Of hops, the key is the request and the hop, or the hop alone if it means the same in every request. The sentences are
part of the record (:mod:`cri_shim.ledger.record_json`), so that page, terminal and exports say the same.
"""

from __future__ import annotations

from typing import Final

_IN_REQUEST: Final[dict[tuple[str, str], str]] = {
    ("RunPodSandbox", "Images/Get"): "is the pause image here, under the name in the configuration?",
    (
        "RunPodSandbox",
        "Snapshots/Prepare",
    ): "a writable layer on top of the pause image: the sandbox's root file system",
    (
        "RunPodSandbox",
        "Containers/Create",
    ): "the pod's record: labels, spec and CRI metadata; from now on it survives this daemon",
    ("RunPodSandbox", "Containers/Update"): "write the result of the CNI plugins, its addresses, into the pod's record",
    ("RunPodSandbox", "Tasks/Create"): "start the pod's shim, which has runc make the pause container",
    ("RunPodSandbox", "Tasks/Start"): "run pause, which holds the pod's namespaces; the client is answered before",
    ("CreateContainer", "Snapshots/Prepare"): "a writable layer on top of the image: the container's root file system",
    ("CreateContainer", "Snapshots/Mounts"): "how to mount the layer, to look up users and volumes in it",
    ("CreateContainer", "Containers/Create"): "the container's record: labels, OCI spec and CRI metadata",
    (
        "StartContainer",
        "Tasks/Create",
    ): "have the pod's shim make the container with runc, stopped before its first instruction",
    ("StartContainer", "Tasks/Start"): "run the program",
    ("StartContainer", "Containers/Get"): "read the record: how its root file system is mounted",
    ("StartContainer", "Snapshots/Mounts"): "how to mount the container's root file system",
    ("ExecSync", "Tasks/Exec"): "describe a further process in the container",
    ("ExecSync", "Tasks/Start"): "run it",
    ("StopPodSandbox", "Tasks/Kill"): "end what still runs in the pod, pause last",
    ("PullImage", "Leases/Create"): "protect the content from garbage collection until the image is complete",
    ("PullImage", "Leases/Delete"): "the image's own references hold everything now",
    ("PullImage", "Content/Write"): "store a manifest, a config or a layer, as its bytes arrive",
    ("PullImage", "Snapshots/Prepare"): "an empty layer to unpack into",
    ("PullImage", "Diff/Apply"): "unpack a layer into it",
    ("PullImage", "Snapshots/Commit"): "close the layer under its chain id",
    ("PullImage", "Images/Create"): "give the image its name",
}

_ANYWHERE: Final[dict[str, str]] = {
    "Containers/Get": "read a record",
    "Containers/Create": "store a record",
    "Containers/Update": "change a record",
    "Containers/Delete": "delete the record; what only it refers to may be collected",
    "Containers/ListStream": "read all records",
    "Containers/List": "read all records",
    "Tasks/Create": "make the container with runc",
    "Tasks/Start": "run it",
    "Tasks/Kill": "send a signal",
    "Tasks/Delete": "collect the exit code and delete the task",
    "Tasks/DeleteProcess": "collect the exit code of an exec and delete it",
    "Tasks/Exec": "describe a further process in the container",
    "Tasks/Get": "is it running, and if not, how did it end?",
    "Tasks/List": "what is running?",
    "Tasks/Update": "write new limits into the container's cgroup",
    "Tasks/Metrics": "read the container's cgroup",
    "Tasks/ResizePty": "set the terminal's size",
    "Tasks/CloseIO": "signal the end of standard input",
    "Tasks/Checkpoint": "freeze the process into files with CRIU",
    "Tasks/Pause": "freeze the container's processes",
    "Tasks/Resume": "thaw the container's processes",
    "Images/Get": "look an image up by name",
    "Images/List": "which images are there?",
    "Images/Create": "give an image a name",
    "Images/Update": "make a name point to another image",
    "Images/Delete": "remove a name; the garbage collector removes the rest",
    "Content/Info": "is this blob here, and what are its labels?",
    "Content/Read": "read a blob",
    "Content/Write": "store a blob as its bytes arrive",
    "Content/Status": "how far has an interrupted download got?",
    "Content/Update": "label a blob, so that the garbage collector knows what refers to it",
    "Content/Abort": "discard an incomplete download",
    "Content/Delete": "delete a blob",
    "Content/List": "which blobs are there?",
    "Snapshots/Prepare": "make a writable layer",
    "Snapshots/View": "make a read-only view of a layer",
    "Snapshots/Mounts": "how is it mounted?",
    "Snapshots/Commit": "close a layer",
    "Snapshots/Stat": "is this layer here?",
    "Snapshots/Remove": "delete the writable layer",
    "Snapshots/Update": "label a layer",
    "Snapshots/Usage": "how much disk does a layer take?",
    "Snapshots/List": "which layers are there?",
    "Diff/Apply": "unpack a layer",
    "Diff/Diff": "pack what a container has changed",
    "Leases/Create": "protect content from garbage collection",
    "Leases/Delete": "end the protection from garbage collection",
    "Leases/AddResource": "put a resource under the lease",
    "Leases/List": "which leases are there?",
    "Introspection/Plugins": "what can this containerd do?",
    "Introspection/Server": "which instance is it, and does it report deprecations?",
    "Version/Version": "which containerd is it?",
    "Transfer/Transfer": "let containerd pull the image itself",
    "Events/Subscribe": "receive an event for every exit, kill and image",
    "Events/Publish": "put an event on the bus",
}

_HELPERS: Final = {
    "ADD": "attach the pod to its network",
    "DEL": "detach the pod from its network",
    "CHECK": "is the pod's network still as it was made?",
    "VERSION": "which versions does the plugin support?",
}

_PLUGINS: Final = {
    "loopback": "bring up the pod's own loopback interface",
    "bridge": "make a pair of interfaces, one in the pod and one on a bridge of the node, and give the pod an address",
    "ptp": "make a pair of interfaces between the pod and the node, and give the pod an address",
    "macvlan": "give the pod an interface with a hardware address of its own on the node's network card",
    "ipvlan": "give the pod an interface that shares the hardware address of the node's network card",
    "host-device": "move an interface of the node into the pod",
    "portmap": "forward ports of the node to the pod",
    "bandwidth": "limit how much the pod may send and receive",
    "firewall": "let the pod's traffic through the node's firewall",
    "tuning": "set sysctls and interface options in the pod",
    "sbr": "route the pod's answers back through the interface that a request came in by",
    "vrf": "put the pod's interface into a routing domain of its own",
}
"""What the plugins of the CNI project do with ADD."""

_STAGES: Final = {
    "parse": "read a long request",
    "serialise": "write a long answer",
    "cri.sandbox.run": "the whole start of the pod",
    "cri.sandbox.prepare": "store the pod's record, and beside that make its network namespace and directories",
    "cni.setup_pod_network": "run the CNI plugins, one after the other",
    "cni.teardown_pod_network": "run the CNI plugins with DEL, in reverse order",
    "client.NewContainer": "store the record in containerd",
    "container.NewTask": "have containerd start a shim, or use the pod's, which has runc make the container",
    "client.task.Start": "have runc start the process",
    "pull.verify": "run the programs that check whether the image may be used",
    "pull.createNewImage": "store the image's names",
}

_WAITS: Final = {
    "turn": "its turn: more starts than the cores can work on are under way",
    "gate": "a place among the few that may do this at the same time",
    "lock": "another request that changes the same pod, container or image",
    "executor": "a free thread for a call that blocks",
    "executor fs": "a free thread for files and directories",
    "executor mount": "a free thread for mounts and namespaces",
    "exit": "the end of a process",
    "output": "the rest of the output of a process that has ended",
    "registry": "the registry",
    "joined": "an equal request that came first, whose result is used for both",
    "event": "the next event to send to the client",
    "client": "a client that reads slowly",
}


def hop_purpose(request: str, method: str) -> str:
    """Return what a hop is for in ``request``, by its method with or without the package; empty if not described."""
    hop = method.rsplit(".", 1)[-1]
    return _IN_REQUEST.get((request, hop)) or _ANYWHERE.get(hop, "")


def stage_purpose(name: str) -> str:
    """Return what the daemon does in a stage of its own work; empty if not described."""
    return _STAGES.get(name, "")


def wait_purpose(name: str) -> str:
    """Return what a request waits for in a wait of that name; empty if not described."""
    return _WAITS.get(name, "")


def helper_purpose(name: str, command: str) -> str:
    """Return what a CNI plugin runs for: what the plugin does, if it is a usual one, or what its command means."""
    return (_PLUGINS.get(name) if command == "ADD" else None) or _HELPERS.get(command, "")
