"""Handle pods with the annotation "untrusted": they run only under the runtime handler of that name.

The annotation is older than ``runtime_handler``, and containerd's plugin still supports it. Ignoring it would run a pod
that must be kept apart beside all others. Source: containerd ``GetSandboxRuntime``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

ANNOTATION: Final = "io.kubernetes.cri.untrusted-workload"
HANDLER: Final = "untrusted"


def handler_name(requested: str, annotations: Mapping[str, str]) -> str:
    """Return the name of the handler that runs a pod; empty for the default one."""
    return HANDLER if annotations.get(ANNOTATION) == "true" else requested


def check_untrusted(requested: str, config: cri.PodSandboxConfig) -> None:
    """Reject an untrusted pod that names another handler or shares a namespace of the node."""
    if config.annotations.get(ANNOTATION) != "true":
        return
    if requested not in ("", HANDLER):
        raise InvalidArgumentError(
            f"annotation {ANNOTATION} asks for the runtime handler {HANDLER!r}, and runtime_handler for "
            f"'{escaped(requested)}'; leave one of them out"
        )
    namespaces = config.linux.security_context.namespace_options
    shared = [kind for kind in ("network", "pid", "ipc") if getattr(namespaces, kind) == cri.NODE]
    if shared:
        raise InvalidArgumentError(
            f"an untrusted pod (annotation {ANNOTATION}) must not share namespaces of the node; "
            f"it asks for {', '.join(shared)}"
        )
