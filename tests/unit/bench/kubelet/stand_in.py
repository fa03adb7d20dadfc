"""A stand-in for a kubelet, to try the order of things and faults: it runs the pods of its manifests, once.

It reads the configuration that a real one reads, and sends a fake runtime what a real one sends, but it watches
nothing. ``FAULT`` in the environment makes it end early, run no pod, or ignore SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri


def main(arguments: list[str]) -> None:
    """Be a kubelet until SIGTERM."""
    if "--version" in arguments:
        sys.stdout.write("Kubernetes v0.0.0-stand-in\n")
        return
    fault = os.environ.get("FAULT", "")
    (file,) = [word.removeprefix("--config=") for word in arguments if word.startswith("--config=")]
    configuration = json.loads(Path(file).read_text(encoding="utf-8"))
    if fault == "ends":
        sys.exit("E0101 it was to end")
    if fault != "idle":
        run_pods(configuration)
    signal.pause()


def run_pods(configuration: dict[str, str]) -> None:
    """Run a pod for each manifest that has none yet."""
    with grpc.insecure_channel(configuration["containerRuntimeEndpoint"]) as channel:

        def call(rpc: str, request, answer):
            method: Any = channel.unary_unary(
                f"/runtime.v1.RuntimeService/{rpc}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            return method(request, timeout=20)

        answer = call("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
        there = {item.metadata.name for item in answer.items}
        for path in sorted(Path(configuration["staticPodPath"]).iterdir()):
            manifest = json.loads(path.read_text(encoding="utf-8"))
            name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
            if name in there:
                continue
            logs = Path(configuration["podLogsDir"]) / f"{namespace}_{name}_uid"
            (logs / "main").mkdir(parents=True)
            labels = {"io.kubernetes.pod.namespace": namespace}
            metadata = cri.PodSandboxMetadata(name=name, namespace=namespace, uid="uid")
            pod = cri.PodSandboxConfig(metadata=metadata, log_directory=str(logs), labels=labels)
            made = call("RunPodSandbox", cri.RunPodSandboxRequest(config=pod), cri.RunPodSandboxResponse)
            image = manifest["spec"]["containers"][0]["image"]
            container = cri.ContainerConfig(
                metadata=cri.ContainerMetadata(name="main"),
                image=cri.ImageSpec(image=image, user_specified_image=image),
                labels=labels,
                log_path="main/0.log",
            )
            create = cri.CreateContainerRequest(pod_sandbox_id=made.pod_sandbox_id, config=container)
            container_id = call("CreateContainer", create, cri.CreateContainerResponse).container_id
            call("StartContainer", cri.StartContainerRequest(container_id=container_id), cri.StartContainerResponse)


if __name__ == "__main__":
    main(sys.argv[1:])
