"""What each hop is for, in the words of somebody who explains how a container runtime works.

The key is the request and the hop, or the hop alone where it means the same in every request.
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
    ): "the pod's record: labels, spec and CRI metadata; from now on it survives us",
    ("RunPodSandbox", "Containers/Update"): "write into the pod's record what the CNI plugins answered: its addresses",
    ("RunPodSandbox", "Tasks/Create"): "start the pod's shim, which has runc make the pause container",
    ("RunPodSandbox", "Tasks/Start"): "let pause run, which holds the pod's namespaces; the answer comes before",
    ("CreateContainer", "Snapshots/Prepare"): "a writable layer on top of the image: the container's root file system",
    ("CreateContainer", "Snapshots/Mounts"): "how to mount the layer, to look up users and volumes in it",
    ("CreateContainer", "Containers/Create"): "the container's record: labels, OCI spec and CRI metadata",
    (
        "StartContainer",
        "Tasks/Create",
    ): "have the pod's shim make the container with runc, stopped before its first instruction",
    ("StartContainer", "Tasks/Start"): "let the program run",
    ("StartContainer", "Containers/Get"): "read the record: how its root file system is mounted",
    ("StartContainer", "Snapshots/Mounts"): "how to mount the container's root file system",
    ("ExecSync", "Tasks/Exec"): "describe a further process in the container",
    ("ExecSync", "Tasks/Start"): "run it",
    ("StopPodSandbox", "Tasks/Kill"): "end what still runs in the pod, pause last",
    ("PullImage", "Leases/Create"): "keep the garbage collector's hands off until the image is complete",
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
    "Containers/Delete": "forget the record; what hangs on it may be collected",
    "Containers/ListStream": "read all records",
    "Containers/List": "read all records",
    "Tasks/Create": "make the container with runc",
    "Tasks/Start": "let it run",
    "Tasks/Kill": "send a signal",
    "Tasks/Delete": "take the exit code and let the shim go of it",
    "Tasks/DeleteProcess": "take the exit code of an exec and forget it",
    "Tasks/Exec": "describe a further process in the container",
    "Tasks/Get": "is it running, and if not, how did it end?",
    "Tasks/List": "what is running?",
    "Tasks/Update": "write new limits into the container's cgroup",
    "Tasks/Metrics": "read the container's cgroup",
    "Tasks/ResizePty": "tell the terminal its size",
    "Tasks/CloseIO": "say that standard input has ended",
    "Tasks/Checkpoint": "freeze the process into files with CRIU",
    "Tasks/Pause": "freeze the container's processes",
    "Tasks/Resume": "let the container's processes go on",
    "Images/Get": "look an image up by name",
    "Images/List": "which images are there?",
    "Images/Create": "give an image a name",
    "Images/Update": "let a name point to another image",
    "Images/Delete": "take a name away; the garbage collector takes the rest",
    "Content/Info": "is this blob here, and what are its labels?",
    "Content/Read": "read a blob",
    "Content/Write": "store a blob as its bytes arrive",
    "Content/Status": "how far has a broken download come?",
    "Content/Update": "label a blob, so that the garbage collector knows what holds it",
    "Content/Abort": "throw a half download away",
    "Content/Delete": "throw a blob away",
    "Content/List": "which blobs are there?",
    "Snapshots/Prepare": "make a writable layer",
    "Snapshots/View": "make a read-only view of a layer",
    "Snapshots/Mounts": "how is it mounted?",
    "Snapshots/Commit": "close a layer",
    "Snapshots/Stat": "is this layer here?",
    "Snapshots/Remove": "throw the writable layer away",
    "Snapshots/Update": "label a layer",
    "Snapshots/Usage": "how much disk does a layer take?",
    "Snapshots/List": "which layers are there?",
    "Diff/Apply": "unpack a layer",
    "Diff/Diff": "pack what a container has changed",
    "Leases/Create": "keep the garbage collector's hands off",
    "Leases/Delete": "let the garbage collector decide again",
    "Leases/AddResource": "put something under the lease",
    "Leases/List": "which leases are there?",
    "Introspection/Plugins": "what can this containerd do?",
    "Introspection/Server": "who is it, and does it warn of anything?",
    "Version/Version": "which containerd is it?",
    "Transfer/Transfer": "let containerd pull the image itself",
    "Events/Subscribe": "hear of every exit, kill and image as it happens",
    "Events/Publish": "put an event on the bus",
}

_HELPERS: Final = {
    "ADD": "attach the pod to its network",
    "DEL": "detach the pod from its network",
    "CHECK": "is the pod's network as it was made?",
    "VERSION": "which versions does the plugin speak?",
}


def purpose(request: str, hop: str) -> str:
    """What ``hop`` (``Tasks/Create``) is for in ``request``; empty for one that nobody has described."""
    return _IN_REQUEST.get((request, hop)) or _ANYWHERE.get(hop, "")


def helper_purpose(command: str) -> str:
    """What a CNI plugin is run for, by its command."""
    return _HELPERS.get(command, "")
