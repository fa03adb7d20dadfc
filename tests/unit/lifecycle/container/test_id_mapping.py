"""Pods with a user namespace: who may have one, whose its files are, and which mounts it can have."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config.schema import RuntimeHandler
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.lifecycle.container.id_mapping import (
    id_map_of,
    mapped_mounts,
    owner_on_node,
    require_user_namespaces,
)
from cri_shim.node.handler_features import HandlerFeatures
from cri_shim.oci.mounts import ResolvedMount
from cri_shim.paths import Paths
from tests.unit.lifecycle.container.mapped_pods import ENTRY, MAPPED, PLAIN

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.state.sandboxes import Sandbox


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Where things lie."""
    return Paths(tmp_path / "root", tmp_path / "state")


@pytest.mark.parametrize(
    ("features", "host_network", "words"),
    [
        (HandlerFeatures(), False, "does not report its features"),
        (HandlerFeatures(why_no_user_namespaces="its kernel is too old"), True, "its kernel is too old"),
        (HandlerFeatures(why_no_user_namespaces=""), True, "on the node's network"),
    ],
)
def test_a_handler_that_cannot(features: HandlerFeatures, *, host_network: bool, words: str) -> None:
    """It is refused to pods with mapped ids alone."""
    handler = RuntimeHandler(name="runc")
    with pytest.raises(FailedPreconditionError, match=words):
        require_user_namespaces({"runc": features}, handler, id_map_of(MAPPED), host_network=host_network)
    require_user_namespaces({"runc": features}, handler, None, host_network=host_network)


def test_the_owner_of_a_process() -> None:
    """It is known to the daemon where ids are mapped; a user outside of the mapping is refused."""
    spec: Any = {"process": {"user": {"uid": 5, "gid": 6}}}
    assert owner_on_node(MAPPED, spec) == (100_005, 100_006)
    assert owner_on_node(PLAIN, spec) is None
    spec["process"]["user"]["gid"] = 65_536
    with pytest.raises(InvalidArgumentError, match="user 5:65536 is outside"):
        owner_on_node(MAPPED, spec)


def test_mounts_with_mapped_ids(paths: Paths, tmp_path: Path) -> None:
    """They go by a place of their own, as ordinary bind mounts; others keep their source."""
    mounts = [
        ResolvedMount("/a", str(tmp_path), uid_mappings=ENTRY, gid_mappings=ENTRY),
        ResolvedMount("/b", str(tmp_path)),
        ResolvedMount("/c", "/", uid_mappings=ENTRY, gid_mappings=ENTRY),
    ]
    result, sources = mapped_mounts(paths, "c1", id_map_of(MAPPED), mounts, "mount-")
    assert sources == {"mount-0": str(tmp_path), "mount-1": "/"}
    places = [str(paths.idmapped() / "c1" / place) for place in sources]
    assert [mount.source for mount in result] == [places[0], str(tmp_path), places[1]]
    assert not any(mount.uid_mappings or mount.gid_mappings for mount in result)


def test_flags_that_a_user_namespace_may_not_take_off(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are repeated in such a pod, and in others nothing is looked up."""
    flags = os.ST_NOSUID | os.ST_NOEXEC | os.ST_RDONLY
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=flags))
    (flagged,), _ = mapped_mounts(paths, "c1", id_map_of(MAPPED), [ResolvedMount("/a", "/proc")], "")
    assert flagged.flags == ("nosuid", "noexec")
    (plain,), _ = mapped_mounts(paths, "c1", None, [ResolvedMount("/a", "/none")], "")
    assert plain.flags == ()


@pytest.mark.parametrize(
    ("sandbox", "mount", "words"),
    [
        (PLAIN, ResolvedMount("/a", "/", uid_mappings=ENTRY, gid_mappings=ENTRY), "has no user namespace of its own"),
        (MAPPED, ResolvedMount("/a", "/", uid_mappings=ENTRY), "has id mappings other than the pod"),
        (
            MAPPED,
            ResolvedMount("/a", "/", propagation=cri.PROPAGATION_BIDIRECTIONAL, uid_mappings=ENTRY, gid_mappings=ENTRY),
            "cannot propagate to the node",
        ),
    ],
    ids=["no user namespace", "other ids", "propagation"],
)
def test_mounts_that_cannot_be(paths: Paths, sandbox: Sandbox, mount: ResolvedMount, words: str) -> None:
    """The refusal names the place in the container."""
    with pytest.raises(InvalidArgumentError, match=words) as refused:
        mapped_mounts(paths, "c1", id_map_of(sandbox), [mount], "mount-")
    assert "mount at '/a'" in str(refused.value)
