"""Read which AppArmor profiles the kernel has, and load the default one if a container is to run under it.

Any administrator or program can unload a profile at any time, so the kernel is asked for each container. Source:
containerd ``contrib/apparmor/apparmor.go``.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import structlog

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.process import run_program
from cri_shim.oci.node_facts import read_apparmor_files, read_apparmor_profiles
from cri_shim.oci.security.apparmor import DEFAULT_PROFILE, takes_default
from cri_shim.oci.security.apparmor_default import default_profile

if TYPE_CHECKING:
    from cri_shim.concurrency.keyed_locks import KeyedLocks
    from cri_shim.config import Config
    from cri_shim.oci.node_facts import NodeFacts

_LOAD_SECONDS = 30.0
_SYSTEM_PATH = "/usr/sbin:/sbin"

log = structlog.get_logger(__name__)


async def apparmor_profiles(
    config: Config, node: NodeFacts, locks: KeyedLocks, security: cri.LinuxContainerSecurityContext
) -> frozenset[str]:
    """Return the profiles that are loaded when a container with this security context is made.

    The default profile is among them if the container uses it and ``apparmor_parser`` is installed. Raises
    FailedPreconditionError when the parser refuses the profile, because such a container must not run unconfined.
    """
    if not node.apparmor or config.runtime.disable_apparmor:
        return frozenset()
    loaded = await run(FS, read_apparmor_profiles)
    if DEFAULT_PROFILE in loaded or not takes_default(security):
        return loaded
    parser = shutil.which("apparmor_parser", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")
    if parser is None:
        log.warning("apparmor.no_parser", profile=DEFAULT_PROFILE)
        return loaded
    async with locks.of("apparmor"):
        await _load(parser)
    return loaded | {DEFAULT_PROFILE}


async def sandbox_apparmor_profiles(
    config: Config, node: NodeFacts, locks: KeyedLocks, security: cri.LinuxSandboxSecurityContext
) -> frozenset[str]:
    """Return the same for a pod's own process, which is confined only if the request says so."""
    if not security.HasField("apparmor"):
        return frozenset()
    alike = cri.LinuxContainerSecurityContext(apparmor=security.apparmor, privileged=security.privileged)
    return await apparmor_profiles(config, node, locks, alike)


async def _load(parser: str) -> None:
    """Load or replace the default profile; the parser reads it from its standard input."""
    text = default_profile(DEFAULT_PROFILE, await run(FS, read_apparmor_files))
    try:
        done = await run_program([parser, "-K", "-r"], os.environ, text.encode(), time_limit=_LOAD_SECONDS)
    except (OSError, TimeoutError) as error:
        raise FailedPreconditionError(f"AppArmor profile {DEFAULT_PROFILE!r} cannot be loaded: {error}") from error
    if done.exit_code:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise FailedPreconditionError(f"AppArmor profile {DEFAULT_PROFILE!r} cannot be loaded: {parser}: {said}")
    log.info("apparmor.loaded", profile=DEFAULT_PROFILE)
