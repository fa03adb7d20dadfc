"""Determine the user of a process: uid, gid and further groups, with names looked up in the image's own files.

A request names the user in one of several ways and an image in another, and names are looked up in ``/etc/passwd`` and
``/etc/group`` *inside the image*. This takes two steps: :func:`plan_user` says what was requested and which files are
needed, and :func:`resolve_user` looks names up in the content of the files. The caller reads the files (from a
read-only mount of the snapshot, or from what it kept of an earlier container of the same image).

Source: CRI ``LinuxContainerSecurityContext`` (run_as_*, supplemental groups and their policy); containerd ``WithUser``
and ``WithAdditionalGIDs``; CVE-2024-40635 (ids beyond 2³¹-1), CVE-2022-36109 and CVE-2023-25173 (the primary gid must
be among the additional ones, otherwise a process could escape a deny entry by leaving the group with setgid).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.image_config import ImageConfig

MAX_ID = 2**31 - 1
"""The largest uid and gid that runc accepts."""

_NUMBER = re.compile(r"[+-]?[0-9]+")


class ResolvedUser(Struct, frozen=True):
    """The ids of a process; ``additional_gids`` is sorted, has no duplicates and contains ``gid``."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...]

    def to_spec(self) -> Spec:
        """Return the ids as ``process.user``."""
        return {"uid": self.uid, "gid": self.gid, "additionalGids": list(self.additional_gids)}


class UserPlan(Struct, frozen=True):
    """What was requested, before any file is read.

    ``user`` and ``group`` are a name or a number as text; ``group`` is empty if only the user was named.
    ``group_memberships`` says that the groups that list the user in ``/etc/group`` are added (policy Merge).
    """

    user: str
    group: str
    supplemental: tuple[int, ...]
    group_memberships: bool

    @property
    def needs_passwd(self) -> bool:
        """Return whether ``/etc/passwd`` can change the result."""
        return _number(self.user) is None or not self.group or self.group_memberships

    @property
    def needs_group(self) -> bool:
        """Return whether ``/etc/group`` can change the result."""
        return (bool(self.group) and _number(self.group) is None) or self.group_memberships

    @property
    def needs_files(self) -> bool:
        """Return whether either file must be read."""
        return self.needs_passwd or self.needs_group


def plan_user(security: cri.LinuxContainerSecurityContext, image: ImageConfig) -> UserPlan:
    """Return the user that a container runs as: from its request, else from its image, else root.

    The groups that are added from ``/etc/group`` are those of the same user. If only the image names a user,
    containerd's plugin adds root's groups instead, which is neither what the CRI specifies nor what users expect.

    Raises :class:`~cri_shim.errors.InvalidArgumentError` for a group without a user, an id out of range, or an image
    whose user has more than one colon.
    """
    user, group = _requested_user(
        security.run_as_username,
        security.run_as_user.value if security.HasField("run_as_user") else None,
        security.run_as_group.value if security.HasField("run_as_group") else None,
        image,
    )
    return UserPlan(
        user=user,
        group=group,
        supplemental=_supplemental(security.supplemental_groups),
        group_memberships=security.supplemental_groups_policy != cri.Strict,
    )


def plan_sandbox_user(security: cri.LinuxSandboxSecurityContext, image: ImageConfig) -> UserPlan:
    """Return the user that the pause process runs as; the groups that its image lists for that user do not matter."""
    user, group = _requested_user(
        "",
        security.run_as_user.value if security.HasField("run_as_user") else None,
        security.run_as_group.value if security.HasField("run_as_group") else None,
        image,
    )
    return UserPlan(
        user=user, group=group, supplemental=_supplemental(security.supplemental_groups), group_memberships=False
    )


def resolve_user(plan: UserPlan, passwd: bytes | None = None, group: bytes | None = None) -> ResolvedUser:
    """Turn a plan into ids with the content of the image's files, each None if the image lacks the file.

    Numbers need no entry in any file: a uid that is not in passwd has gid 0. Raises
    :class:`~cri_shim.errors.InvalidArgumentError` for a name that is not found.
    """
    users = list(_entries(passwd, 4))
    uid = _number(plan.user)
    name = plan.user
    passwd_gid: int | None = None
    if uid is None:
        user_entry = next((entry for entry in users if entry[0] == plan.user), None)
        if user_entry is None:
            where = "the image has no /etc/passwd" if passwd is None else "/etc/passwd of the image does not have it"
            raise InvalidArgumentError(f"unable to find user '{escaped(plan.user)}': {where}")
        uid, passwd_gid = _file_id(user_entry[2], "uid", plan.user), _file_id(user_entry[3], "gid", plan.user)
    else:
        user_entry = next((entry for entry in users if _number(entry[2]) == uid), None)
        if user_entry is not None:
            name = user_entry[0]
            if not plan.group:
                passwd_gid = _file_id(user_entry[3], "gid", plan.user)
    gid = _group_id(plan, passwd_gid, group)
    further = set(plan.supplemental) | {gid}
    if plan.group_memberships:
        further.update(_memberships(name, group))
    return ResolvedUser(uid, gid, tuple(sorted(further)))


def _requested_user(username: str, uid: int | None, gid: int | None, image: ImageConfig) -> tuple[str, str]:
    """Return the user and group that take precedence, as text."""
    if not username and uid is None:
        if gid is not None:
            raise InvalidArgumentError(f"run_as_group {gid} is given without run_as_user or run_as_username")
        return _split(image.user)
    if username and _number(username) is not None:
        uid, username = _number(username), ""
    user = username or str(_checked(uid or 0, "uid", f"user {uid}"))
    return user, "" if gid is None else str(_checked(gid, "gid", f"group {gid}"))


def _split(user: str) -> tuple[str, str]:
    """Split an image's user ``USER[:GROUP]`` and check the numbers in it; an empty one means root."""
    parts = user.split(":")
    if len(parts) > 2:
        raise InvalidArgumentError(
            f"the image's user '{escaped(user)}' has more than one colon; it must be USER or USER:GROUP"
        )
    name, group = parts[0] or "0", parts[1] if len(parts) == 2 else ""
    for part, what in ((name, "uid"), (group, "gid")):
        number = _number(part)
        if number is not None:
            _checked(number, what, f"the image's user '{escaped(user)}'")
    return name, group


def _number(text: str) -> int | None:
    """Parse a decimal number; return None for a name."""
    return int(text) if _NUMBER.fullmatch(text) and len(text) < 30 else None


def _checked(number: int, what: str, whose: str) -> int:
    if not 0 <= number <= MAX_ID:
        raise InvalidArgumentError(f"{whose}: {what} {number} is out of range; it must be 0 to {MAX_ID}")
    return number


def _file_id(text: str, what: str, user: str) -> int:
    number = _number(text)
    if number is None:
        raise InvalidArgumentError(
            f"user '{escaped(user)}': its {what} '{escaped(text)}' in the image's /etc/passwd is not a number"
        )
    return _checked(number, what, f"user '{escaped(user)}'")


def _supplemental(groups: Iterable[int]) -> tuple[int, ...]:
    return tuple(_checked(gid, "gid", f"supplemental group {gid}") for gid in groups)


def _entries(content: bytes | None, fields: int) -> Iterator[list[str]]:
    """Yield the lines of a passwd or group file that have at least ``fields`` fields; others are ignored."""
    for raw in (content or b"").split(b"\n"):
        line = raw.decode("utf-8", "surrogateescape").strip()
        if line and not line.startswith("#"):
            parts = line.split(":")
            if len(parts) >= fields:
                yield parts


def _group_id(plan: UserPlan, passwd_gid: int | None, group: bytes | None) -> int:
    if not plan.group:
        return passwd_gid or 0
    number = _number(plan.group)
    if number is not None:
        return number
    for entry in _entries(group, 3):
        if entry[0] == plan.group:
            gid = _number(entry[2])
            if gid is None:
                raise InvalidArgumentError(
                    f"group '{escaped(plan.group)}': its gid '{escaped(entry[2])}' in the image is not a number"
                )
            return _checked(gid, "gid", f"group '{escaped(plan.group)}'")
    where = "the image has no /etc/group" if group is None else "/etc/group of the image does not have it"
    raise InvalidArgumentError(f"unable to find group '{escaped(plan.group)}' of user '{escaped(plan.user)}': {where}")


def _memberships(name: str, group: bytes | None) -> Iterator[int]:
    """Yield the groups that list ``name``; entries with a malformed gid are skipped, as in getgrouplist."""
    for entry in _entries(group, 4):
        gid = _number(entry[2])
        if gid is not None and 0 <= gid <= MAX_ID and entry[0] != name and name in entry[3].split(","):
            yield gid
