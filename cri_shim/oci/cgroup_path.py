"""Compute the path of a container's cgroup, in the two forms that runc accepts.

The cgroupfs driver takes a path. The systemd driver takes ``slice:prefix:name`` and asks systemd for a scope. runc
decides between them by its ``SystemdCgroup`` option and never by the form of the parent, so this module must not decide
by the form either.
"""

from __future__ import annotations

import posixpath

from cri_shim.errors import InvalidArgumentError

SCOPE_PREFIX = "cri-containerd"
"""The prefix of the scopes that containerd's plugin makes; cAdvisor and the kubelet rely on it."""


def cgroups_path(parent: str, container_id: str, *, systemd: bool, fallback_parent: str) -> str:
    """Return ``linux.cgroupsPath`` of a container below ``parent``, the pod's cgroup as the kubelet names it.

    With ``systemd`` the parent is a slice or a path of slices, of which the last counts; without a parent it is
    ``system.slice``, as in runc itself. Without ``systemd`` the path is the parent and the id, and a parent that ends
    in ``.slice`` is an ordinary directory; the plugin would make a directory with colons in its name of it, outside the
    parent. The cgroupfs driver uses ``fallback_parent`` if the pod has no parent.

    Raises :class:`~cri_shim.errors.InvalidArgumentError` for a parent that the systemd driver cannot use; runc would
    only fail later and less clearly.
    """
    if systemd:
        slice_name = posixpath.basename(parent.rstrip("/")) if parent else "system.slice"
        if not slice_name.endswith(".slice") or slice_name == ".slice":
            raise InvalidArgumentError(
                f"cgroup parent {parent!r} is not a systemd slice, but this runtime handler has SystemdCgroup = true; "
                "give the kubelet and the runtime the same cgroup driver"
            )
        return f"{slice_name}:{SCOPE_PREFIX}:{container_id}"
    return posixpath.join(parent or fallback_parent, container_id)
