"""SELinux labels, made of the policy's and of what a request asks."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.security.selinux import Context, is_requested, mount_label, mount_option, parse_policy, process_label

CONTEXTS = """
# what containers are
process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:virt_var_lib_t:s0"
file = "system_u:object_r:container_file_t:s0"
"""
POLICY = parse_policy(CONTEXTS)
OPTION = cri.SELinuxOption


def test_a_label_is_taken_apart_and_put_together():
    """A level may have colons of its own, or be missing; anything else is no label."""
    for label in ("u:r:t:s0:c1,c2", "u:r:t:s0-s0:c0.c1023", "u:r:t"):
        assert str(Context.parse(label)) == label
    assert Context.parse("u:r:t:s0:c1,c2").level == "s0:c1,c2"
    for label in ("", "u:r", "u::t:s0"):
        with pytest.raises(ValueError, match="not an SELinux label"):
            Context.parse(label)


def test_the_policy_says_what_containers_are():
    """The two lines that matter are found; a policy without one of them is refused."""
    assert (POLICY.process.type, POLICY.file.type) == ("container_t", "container_file_t")
    with pytest.raises(ValueError, match="'file'"):
        parse_policy('process = "u:r:t:s0"')


def test_nothing_asked():
    """The policy's labels with the given level; a policy without levels stays without."""
    process = process_label(POLICY, OPTION(), "s0:c1,c2")
    assert process == "system_u:system_r:container_t:s0:c1,c2"
    assert mount_label(POLICY, process) == "system_u:object_r:container_file_t:s0:c1,c2"
    plain = parse_policy(CONTEXTS.replace(":s0", ""))
    process = process_label(plain, OPTION(), "s0:c1,c2")
    assert process == "system_u:system_r:container_t"
    assert mount_label(plain, process) == "system_u:object_r:container_file_t"


def test_what_is_asked_wins():
    """User and level count for processes and files, role and type for processes only."""
    process = process_label(POLICY, OPTION(user="u", role="r", type="spc_t", level="s0:c4,c5"), "s0:c1,c2")
    assert process == "u:r:spc_t:s0:c4,c5"
    assert mount_label(POLICY, process) == "u:object_r:container_file_t:s0:c4,c5"
    with pytest.raises(InvalidArgumentError, match="s0,c4"):
        process_label(POLICY, OPTION(level="s0,c4"), "s0:c1,c2")


def test_any_option_is_a_request():
    """An empty message asks for nothing."""
    assert not is_requested(OPTION())
    assert all(is_requested(OPTION(**{name: "x"})) for name in ("user", "role", "type", "level"))


def test_a_mount_option_is_quoted():
    """Levels have commas, which would end the option."""
    assert mount_option("u:r:t:s0:c1,c2") == 'context="u:r:t:s0:c1,c2"'
