"""Users and groups: every form of naming them, with the image's files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.users import MAX_ID, ResolvedUser, plan_sandbox_user, plan_user, resolve_user

PASSWD = b"""\
# a comment
root:x:0:0:root:/root:/bin/sh
app:x:1000:1001::/:/bin/sh
broken
app:x:7:7:second entry of the name:/:/bin/sh
huge:x:4294967296:1::/:/bin/sh
4242:x:99:98:a name made of digits:/:/bin/sh
"""
GROUP = b"""\
root:x:0:
app:x:1001:app
audio:x:29:root,app
video:x:44:app
wrong:x:not-a-number:app
staff:x:50:
"""


def security(**fields) -> cri.LinuxContainerSecurityContext:
    result = cri.LinuxContainerSecurityContext()
    for name in ("run_as_user", "run_as_group"):
        if name in fields:
            getattr(result, name).value = fields.pop(name)
            getattr(result, name).SetInParent()
    result.MergeFrom(cri.LinuxContainerSecurityContext(**fields))
    return result


def resolved(image_user: str = "", **fields) -> ResolvedUser:
    return resolve_user(plan_user(security(**fields), ImageConfig(user=image_user)), PASSWD, GROUP)


@pytest.mark.parametrize(
    ("image_user", "fields", "expected"),
    [
        ("", {}, (0, 0, (0, 29))),
        ("app", {}, (1000, 1001, (29, 44, 1001))),
        ("1000", {}, (1000, 1001, (29, 44, 1001))),
        ("1000:50", {}, (1000, 50, (29, 44, 50))),
        ("app:staff", {}, (1000, 50, (29, 44, 50))),
        ("3000", {}, (3000, 0, (0,))),
        ("3000:staff", {}, (3000, 50, (50,))),
        (":staff", {}, (0, 50, (29, 50))),
        ("app:", {}, (1000, 1001, (29, 44, 1001))),
        ("+5", {}, (5, 0, (0,))),
        ("4242", {}, (4242, 0, (0,))),
        ("app", {"run_as_user": 0}, (0, 0, (0, 29))),
        ("app", {"run_as_user": 3000, "run_as_group": 3001}, (3000, 3001, (3001,))),
        ("root", {"run_as_username": "app"}, (1000, 1001, (29, 44, 1001))),
        ("root", {"run_as_username": "app", "run_as_user": 5, "run_as_group": 9}, (1000, 9, (9, 29, 44))),
        ("", {"run_as_username": "1000"}, (1000, 1001, (29, 44, 1001))),
        ("", {"run_as_user": 1000, "supplemental_groups": [9, 9, 44]}, (1000, 1001, (9, 29, 44, 1001))),
        ("", {"run_as_user": MAX_ID, "run_as_group": MAX_ID}, (MAX_ID, MAX_ID, (MAX_ID,))),
    ],
)
def test_forms_of_naming_a_user(image_user, fields, expected):
    """The request wins over the image, names and numbers mean what the files say, the primary gid is always listed."""
    uid, gid, groups = expected
    assert resolved(image_user, **fields) == ResolvedUser(uid, gid, groups)


def test_strict_policy_takes_nothing_from_the_image():
    """With Strict the additional groups are the given ones and the primary gid."""
    user = resolved(run_as_username="app", supplemental_groups=[7], supplemental_groups_policy=cri.Strict)
    assert user.additional_gids == (7, 1001)


@pytest.mark.parametrize(
    ("image_user", "fields", "words"),
    [
        ("nobody", {}, ["'nobody'", "/etc/passwd"]),
        ("app:nogroup", {}, ["'nogroup'", "'app'", "/etc/group"]),
        ("a:b:c", {}, ["'a:b:c'"]),
        ("2147483648", {}, ["2147483648", "out of range"]),
        ("app:-1", {}, ["-1", "out of range"]),
        ("huge", {}, ["'huge'", "4294967296", "out of range"]),
        ("", {"run_as_group": 5}, ["run_as_group 5", "run_as_user"]),
        ("", {"run_as_user": -1}, ["-1", "out of range"]),
        ("", {"run_as_user": 1, "run_as_group": 2**31}, ["2147483648", "out of range"]),
        ("", {"run_as_username": "4294967296"}, ["4294967296", "out of range"]),
        ("", {"supplemental_groups": [-5]}, ["supplemental group -5"]),
    ],
)
def test_what_cannot_be_resolved_is_refused_by_name(image_user, fields, words):
    """An unknown name or an id out of range is an error that names it."""
    with pytest.raises(InvalidArgumentError) as caught:
        resolved(image_user, **fields)
    for word in words:
        assert word in str(caught.value)


def test_missing_files_are_fine_for_numbers_only():
    """An image without passwd and group can run a number, but not a name, and the error says why."""
    plan = plan_user(security(run_as_user=7), ImageConfig())
    assert resolve_user(plan) == ResolvedUser(7, 0, (0,))
    with pytest.raises(InvalidArgumentError, match="no /etc/passwd"):
        resolve_user(plan_user(security(), ImageConfig(user="app")))
    with pytest.raises(InvalidArgumentError, match="no /etc/group"):
        resolve_user(plan_user(security(), ImageConfig(user="1:staff")))


@pytest.mark.parametrize(
    ("fields", "passwd", "group"),
    [
        ({}, True, True),
        ({"run_as_user": 1, "run_as_group": 1}, True, True),
        ({"run_as_user": 1, "supplemental_groups_policy": cri.Strict}, True, False),
        ({"run_as_user": 1, "run_as_group": 1, "supplemental_groups_policy": cri.Strict}, False, False),
    ],
)
def test_plan_says_which_files_matter(fields, passwd, group):
    """Files are asked for only where they can change the result."""
    plan = plan_user(security(**fields), ImageConfig())
    assert (plan.needs_passwd, plan.needs_group, plan.needs_files) == (passwd, group, passwd or group)


def test_pause_image_needs_no_file():
    """The usual pause image names numbers, so a sandbox starts without a look into its image."""
    plan = plan_sandbox_user(cri.LinuxSandboxSecurityContext(), ImageConfig(user="65535:65535"))
    assert not plan.needs_files
    assert resolve_user(plan).to_spec() == {"uid": 65535, "gid": 65535, "additionalGids": [65535]}


@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=12))
def test_files_of_any_content_never_break_it(passwd, group, user):
    """Whatever lies in an image, the result is a user with ids in range or an InvalidArgumentError."""
    try:
        result = resolve_user(plan_user(security(), ImageConfig(user=user)), passwd, group)
    except InvalidArgumentError:
        return
    assert all(0 <= number <= MAX_ID for number in (result.uid, result.gid, *result.additional_gids))
    assert result.gid in result.additional_gids
