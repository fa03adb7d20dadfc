"""Files that administrators and vendors put on the node: read by Go's rules, or refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cri_shim.cdi.document import parse_document
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.lifecycle.handlers import parse_base_spec
from cri_shim.lifecycle.sandbox.pod_files import node_file
from cri_shim.node.handler_features import features_from
from cri_shim.oci.defaults import base_spec
from cri_shim.oci.security.seccomp import parse_profile
from cri_shim.oci.users import UserPlan, resolve_user
from cri_shim.qos.blockio import parse_classes
from tests.hostile.inputs import Input, check_refusal, every
from untrusted import DocumentError

if TYPE_CHECKING:
    from pathlib import Path

MACHINE_KERNEL = (6, 1)


@every("seccomp-profile")
def test_seccomp_profile(given: Input) -> None:
    """A filter is read whole or not at all."""
    if given.accepted:
        profile = parse_profile(given.data, "/p.json")
        assert given.expectation in ({}, profile)
        return
    with pytest.raises(InvalidArgumentError) as refused:
        parse_profile(given.data, "/p.json")
    check_refusal(given, refused.value)


@every("base-spec")
def test_base_spec(given: Input) -> None:
    """What is accepted can be built on."""
    if given.accepted:
        spec = parse_base_spec(given.data)
        assert spec == given.expectation
        assert base_spec(spec, "/x")["linux"]["cgroupsPath"] == "/x"
        return
    with pytest.raises(DocumentError) as refused:
        parse_base_spec(given.data)
    check_refusal(given, refused.value)


@every("cdi-file")
def test_cdi_file(given: Input) -> None:
    """A file of a vendor."""
    if given.accepted:
        document = parse_document(given.data)
        assert document.kind == given.expectation["kind"]
        assert document.devices[0].container_edits.env == ("A=b",)
        return
    with pytest.raises(ValueError) as refused:
        parse_document(given.data)
    check_refusal(given, refused.value)


@every("blockio-classes")
def test_blockio_classes(given: Input) -> None:
    """The file of ``blockio_config_file``."""
    if given.accepted:
        assert list(parse_classes(given.data)) == given.expectation["classes"]
        return
    with pytest.raises(ValueError) as refused:
        parse_classes(given.data)
    check_refusal(given, refused.value)


@every("runtime-features")
def test_runtime_features(given: Input) -> None:
    """What an OCI runtime prints of itself."""
    if given.accepted:
        features = features_from(given.data, MACHINE_KERNEL)
        assert features.recursive_read_only_mounts == given.expectation["rro"]
        assert features.user_namespaces == given.expectation["userns"]
        return
    with pytest.raises(ValueError) as refused:
        features_from(given.data, MACHINE_KERNEL)
    check_refusal(given, refused.value)


@every("passwd")
def test_passwd(given: Input) -> None:
    """The user ``app`` of an image, by the image's own file."""
    plan = UserPlan("app", "", (), group_memberships=False)
    if given.accepted:
        user = resolve_user(plan, given.data)
        assert (user.uid, user.gid) == (given.expectation["uid"], given.expectation["gid"])
        return
    with pytest.raises(InvalidArgumentError) as refused:
        resolve_user(plan, given.data)
    check_refusal(given, refused.value)


@every("host-file")
def test_host_file(given: Input, tmp_path: Path) -> None:
    """/etc/hosts and /etc/resolv.conf are copied as bytes, whatever they say."""
    file = tmp_path / "hosts"
    file.write_bytes(given.data)
    if given.accepted:
        assert node_file(file) == given.data
        return
    with pytest.raises(FailedPreconditionError) as refused:
        node_file(file)
    check_refusal(given, refused.value)
