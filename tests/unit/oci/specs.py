"""Specs of sandboxes and containers with everything that a test does not care for filled in."""

from __future__ import annotations

from typing import Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.container_spec import ContainerSpecInput, build_container_spec
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.namespaces import PodNamespaces
from cri_shim.oci.sandbox_spec import SandboxSpecInput, build_sandbox_spec
from cri_shim.oci.users import ResolvedUser
from tests.unit.oci.facts import NODE

PAUSE = ImageConfig(user="65535:65535", env=("PATH=/",), entrypoint=("/pause",))
METADATA = cri.PodSandboxMetadata(name="web", namespace="shop", uid="u1", attempt=2)


def pod(**security) -> cri.PodSandboxConfig:
    return cri.PodSandboxConfig(
        metadata=METADATA,
        hostname="web",
        log_directory="/var/log/pods/x",
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent="/kubepods/pod1", security_context=cri.LinuxSandboxSecurityContext(**security)
        ),
    )


def sandbox(config: cri.PodSandboxConfig | None = None, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": "s1", "config": config or pod(), "image_config": PAUSE, "facts": NODE, "netns_path": "/run/netns/1",
        "resolv_conf_path": "/r", "shm_path": "/shm", "hostname": "web", "image_name": "pause:3", **changes,
    }  # fmt: skip
    return build_sandbox_spec(SandboxSpecInput(**values))


def container(security: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    config = changes.pop("config", None) or cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="app"), command=["/app"]
    )
    config.linux.security_context.MergeFrom(cri.LinuxContainerSecurityContext(**(security or {})))
    values: dict[str, Any] = {
        "id": "c1", "sandbox_id": "s1", "namespaces": PodNamespaces.of_process(77), "config": config,
        "sandbox_config": pod(), "image_config": ImageConfig(), "user": ResolvedUser(1, 2, (2, 3)), "facts": NODE,
        "hostname": "web", "image_name": "app:1", **changes,
    }  # fmt: skip
    return build_container_spec(ContainerSpecInput(**values))


def namespaces(spec: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry.get("path", "") for entry in spec["linux"]["namespaces"]}


def mount_options(spec: dict[str, Any], path: str) -> list[str]:
    (mount,) = [entry for entry in spec["mounts"] if entry["destination"] == path]
    return list(mount["options"])


def userns(**changes) -> cri.NamespaceOption:
    mapping = cri.IDMapping(container_id=0, host_id=100_000, length=65_536)
    return cri.NamespaceOption(
        userns_options=cri.UserNamespace(mode=cri.POD, uids=[mapping], gids=[mapping]), **changes
    )
