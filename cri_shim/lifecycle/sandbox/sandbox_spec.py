"""Gather the input of a sandbox's spec from the request, its image, its handler and the node.

Building the spec is pure (:mod:`cri_shim.oci.sandbox_spec`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.disk.pod_file_paths import pod_files
from cri_shim.lifecycle.container.apparmor_load import sandbox_apparmor_profiles
from cri_shim.lifecycle.container.seccomp_file import read_seccomp_profile
from cri_shim.lifecycle.handlers import base_spec, spec_options
from cri_shim.lifecycle.pod_sharing import pod_hostname
from cri_shim.oci.sandbox_spec import SandboxSpecInput, build_sandbox_spec

if TYPE_CHECKING:
    from cri_shim.config import RuntimeHandler
    from cri_shim.oci.image_config import ImageConfig
    from cri_shim.oci.users import ResolvedUser
    from cri_shim.service import Service
    from cri_shim.state.sandboxes import Sandbox


async def sandbox_spec(
    service: Service,
    sandbox: Sandbox,
    handler: RuntimeHandler,
    *,
    image: ImageConfig,
    image_name: str,
    user: ResolvedUser,
) -> dict[str, Any]:
    """Return the OCI runtime spec of ``sandbox``.

    Raises InvalidArgumentError for a request that contradicts itself, and FailedPreconditionError for what this node
    cannot provide.
    """
    files = pod_files(service.paths, sandbox.id, sandbox.config)
    security = sandbox.config.linux.security_context
    return build_sandbox_spec(
        SandboxSpecInput(
            id=sandbox.id,
            config=sandbox.config,
            image_config=image,
            facts=service.node,
            options=spec_options(service.config, service.features, handler),
            netns_path=sandbox.netns_path,
            userns_path=str(service.paths.pinned_userns(sandbox.id)),
            resolv_conf_path=str(files.resolv_conf),
            shm_path=str(files.shm),
            hostname=pod_hostname(sandbox.config),
            image_name=image_name,
            user=user,
            apparmor_profiles=await sandbox_apparmor_profiles(service.config, service.node, service.locks, security),
            process_label=sandbox.process_label,
            mount_label=service.selinux.of_files(sandbox.process_label),
            pod_annotations=handler.pod_annotations,
            seccomp_localhost=await read_seccomp_profile(security, service.config.runtime.unset_seccomp_profile),
            base_spec=await base_spec(handler),
        )
    )
