"""Make the annotations of a spec: those by which tools recognise a pod, and those that a handler passes through.

The shim, Kata and other tools read them. The runc shim reads ``sandbox-id`` to run all containers of a pod in one
process, unless the annotation for its own group is set, which takes precedence. Source: containerd
``pkg/cri/annotations`` and ``runtime/v2/runc``.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

PREFIX = "io.kubernetes.cri."
CONTAINER_TYPE = PREFIX + "container-type"
SANDBOX_ID = PREFIX + "sandbox-id"
SANDBOX_NAME = PREFIX + "sandbox-name"
SANDBOX_NAMESPACE = PREFIX + "sandbox-namespace"
SANDBOX_UID = PREFIX + "sandbox-uid"
SANDBOX_LOG_DIRECTORY = PREFIX + "sandbox-log-directory"
SANDBOX_CPU_PERIOD = PREFIX + "sandbox-cpu-period"
SANDBOX_CPU_QUOTA = PREFIX + "sandbox-cpu-quota"
SANDBOX_CPU_SHARES = PREFIX + "sandbox-cpu-shares"
SANDBOX_MEMORY = PREFIX + "sandbox-memory"
SANDBOX_IMAGE_NAME = PREFIX + "podsandbox.image-name"
SHIM_GROUP = "io.containerd.runc.v2.group"
CONTAINER_NAME = PREFIX + "container-name"
IMAGE_NAME = PREFIX + "image-name"


def passed_through(annotations: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    """Return the annotations whose key matches one of a handler's globs.

    The globs are those of Go's ``path.Match``: a ``*`` does not cross a slash, and a malformed one matches nothing.
    """
    compiled = [pattern for pattern in map(_compile, patterns) if pattern is not None]
    return {key: value for key, value in annotations.items() if any(p.fullmatch(key) for p in compiled)}


def sandbox_annotations(
    sandbox_id: str, config: cri.PodSandboxConfig, image_name: str, patterns: Iterable[str]
) -> dict[str, str]:
    """Return the annotations of a sandbox's spec; the pod's own may pass through but cannot replace ours."""
    result = passed_through(config.annotations, patterns)
    if config.linux.HasField("resources"):
        resources = config.linux.resources
        result[SANDBOX_CPU_PERIOD] = str(resources.cpu_period)
        result[SANDBOX_CPU_QUOTA] = str(resources.cpu_quota)
        result[SANDBOX_CPU_SHARES] = str(resources.cpu_shares)
        result[SANDBOX_MEMORY] = str(resources.memory_limit_in_bytes)
    result[SANDBOX_LOG_DIRECTORY] = config.log_directory
    if image_name:
        result[SANDBOX_IMAGE_NAME] = image_name
    return {**result, CONTAINER_TYPE: "sandbox", **_pod(sandbox_id, config.metadata)}


def container_annotations(
    sandbox_id: str,
    config: cri.ContainerConfig,
    *,
    sandbox_config: cri.PodSandboxConfig,
    image_name: str,
    pod_patterns: Iterable[str],
    container_patterns: Iterable[str],
) -> dict[str, str]:
    """Return the annotations of a container's spec; ``image_name`` is the reference as the user wrote it."""
    return {
        **passed_through(sandbox_config.annotations, pod_patterns),
        **passed_through(config.annotations, container_patterns),
        CONTAINER_TYPE: "container",
        **_pod(sandbox_id, sandbox_config.metadata),
        CONTAINER_NAME: config.metadata.name,
        IMAGE_NAME: image_name,
    }


def _pod(sandbox_id: str, metadata: cri.PodSandboxMetadata) -> dict[str, str]:
    return {
        SANDBOX_ID: sandbox_id,
        SANDBOX_NAME: metadata.name,
        SANDBOX_NAMESPACE: metadata.namespace,
        SANDBOX_UID: metadata.uid,
    }


@functools.lru_cache(maxsize=256)
def _compile(glob: str) -> re.Pattern[str] | None:
    """Compile a glob; return None if it is malformed."""
    out: list[str] = []
    position = 0
    while position < len(glob):
        char = glob[position]
        position += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "\\":
            if position == len(glob):
                return None
            out.append(re.escape(glob[position]))
            position += 1
        elif char == "[":
            end = glob.find("]", position + 1)
            if end < 0:
                return None
            body = glob[position:end]
            negated, body = ("^", body[1:]) if body.startswith("^") else ("", body)
            out.append(f"(?!/)[{negated}{_escape_class(body)}]")
            position = end + 1
        else:
            out.append(re.escape(char))
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:
        return None


def _escape_class(body: str) -> str:
    """Keep ranges, and escape everything else that a character class could misread."""
    return "".join(f"\\{char}" if char in "[]^&~|" else char for char in body)
