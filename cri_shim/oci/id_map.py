"""Read the id mapping of a pod with its own user namespace, and convert ids with it.

CRI allows one range for users and one for groups. Source: CRI ``UserNamespace``; user_namespaces(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.namespaces import id_mappings, user_namespace_wanted

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec

LAST_ID = 2**32 - 2
"""The highest valid id; to the kernel 2^32 - 1 means "none"."""


class IdRange(Struct, frozen=True):
    """A range of ``size`` ids that start at ``inside`` in the pod and at ``outside`` on the node."""

    inside: int
    outside: int
    size: int

    def on_node(self, number: int) -> int | None:
        """Return the node's id for the pod's ``number``, or None if it is not mapped."""
        offset = number - self.inside
        return self.outside + offset if 0 <= offset < self.size else None

    def line(self) -> tuple[int, int, int]:
        """Return the range as a line of uid_map or gid_map."""
        return self.inside, self.outside, self.size


class IdMap(Struct, frozen=True):
    """The mapping of one pod."""

    uids: IdRange
    gids: IdRange
    uid_entries: tuple[Spec, ...]
    gid_entries: tuple[Spec, ...]
    """The same mapping as entries of the runtime spec."""


def id_map(options: cri.NamespaceOption) -> IdMap | None:
    """Return the mapping of a pod, or None for a pod in the node's user namespace.

    Raises InvalidArgumentError for invalid mappings, and for other namespaces that such a pod cannot have.
    """
    if not user_namespace_wanted(options):
        return None
    for name, mode in (("pid", options.pid), ("ipc", options.ipc)):
        if mode == cri.NODE:
            raise InvalidArgumentError(
                f"a pod with a user namespace of its own cannot share the node's {name} namespace: "
                "it would have no rights there"
            )
    userns = options.userns_options
    return IdMap(
        uids=_range("uid", userns.uids[0]),
        gids=_range("gid", userns.gids[0]),
        uid_entries=tuple(id_mappings(userns.uids)),
        gid_entries=tuple(id_mappings(userns.gids)),
    )


def _range(name: str, mapping: cri.IDMapping) -> IdRange:
    id_range = IdRange(mapping.container_id, mapping.host_id, mapping.length)
    if id_range.on_node(0) is None:
        raise InvalidArgumentError(f"the {name} mapping of the user namespace leaves out id 0, the pod's root")
    if id_range.outside + id_range.size - 1 > LAST_ID:
        raise InvalidArgumentError(f"the {name} mapping of the user namespace goes beyond id {LAST_ID}")
    return id_range
