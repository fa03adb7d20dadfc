"""Find out once which version of the CRI an endpoint speaks, and translate requests into it.

A kubelet of 1.24 and 1.25 negotiates in the same way: v1 first, then v1alpha2. The package of v1alpha1, which kubelets
spoke up to 1.9, is plain ``runtime``. The messages of all three have the same fields under the same numbers as far as
they are used here, with two exceptions: v1alpha1 says of each namespace whether it is the node's, where later versions
name a mode, and before SecurityProfile a seccomp profile was a string.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from cri_shim.bench.clients.caller import Caller

    _Context = cri.LinuxSandboxSecurityContext | cri.LinuxContainerSecurityContext

_SERVICE_OF = {
    method.name: name for name, service in cri.DESCRIPTOR.services_by_name.items() for method in service.methods
}
_DEADLINE = 30.0
_DEFAULT_SECCOMP = "runtime/default"


class UnknownApiError(Exception):
    """An endpoint that speaks none of the known versions of the CRI."""


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """One version of the CRI."""

    name: str
    package: str

    def path(self, rpc: str) -> str:
        """Return the path of a method in this version."""
        return f"/{self.package}.{_SERVICE_OF[rpc]}/{rpc}"

    def request(self, rpc: str, content: bytes) -> bytes:
        """Translate a serialised request of v1 into this version."""
        if self is V1 or rpc not in {"RunPodSandbox", "CreateContainer"}:
            return content
        if rpc == "RunPodSandbox":
            run = cri.RunPodSandboxRequest.FromString(content)
            self._translate(run.config.linux.security_context)
            return run.SerializeToString()
        create = cri.CreateContainerRequest.FromString(content)
        self._translate(create.config.linux.security_context)
        self._translate(create.sandbox_config.linux.security_context)
        return create.SerializeToString()

    def _translate(self, context: _Context) -> None:
        if context.HasField("seccomp") and context.seccomp.profile_type == cri.SecurityProfile.RuntimeDefault:
            context.seccomp_profile_path = _DEFAULT_SECCOMP
        if self is V1ALPHA1:
            namespaces = context.namespace_options
            for field in ("network", "pid", "ipc"):
                # A mode and a boolean look the same on the wire.
                setattr(namespaces, field, int(getattr(namespaces, field) == cri.NODE))


V1 = ApiVersion("v1", "runtime.v1")
V1ALPHA2 = ApiVersion("v1alpha2", "runtime.v1alpha2")
V1ALPHA1 = ApiVersion("v1alpha1", "runtime")
VERSIONS = (V1, V1ALPHA2, V1ALPHA1)


async def negotiate(caller: Caller) -> ApiVersion:
    """Return the newest version that an endpoint answers to.

    Raises :class:`UnknownApiError` when it answers to none, and the caller's own errors when it does not answer at all.
    """
    request = cri.VersionRequest(version="0.1.0").SerializeToString()
    for version in VERSIONS:
        try:
            await caller.call(version.path("Version"), request, _DEADLINE)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
        else:
            return version
    raise UnknownApiError(f"it answers to no version of the CRI ({', '.join(each.name for each in VERSIONS)})")
