"""Build the configuration file of a private containerd: version 2 for 1.6 and 1.7, version 3 for 2.x.

Tests and benchmarks name the CRI plugin's keys as in 1.6 and 1.7, in one section. containerd 2 has split that section
in three (docs/cri/config.md of its sources): images, runtime, and the rest, which is the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "io.containerd.grpc.v1.cri"
IMAGES = "io.containerd.cri.v1.images"
RUNTIME = "io.containerd.cri.v1.runtime"
# This plugin listens on one socket for the whole machine, which two containerds cannot share.
NRI = "io.containerd.nri.v1.nri"
# These plugins are not available on this machine, or not needed; each costs start-up time.
UNUSED = ("aufs", "btrfs", "devmapper", "zfs", "native")
SERVER_KEYS = {"disable_tcp_service", "enable_tls_streaming", "x509_key_pair_streaming"}
IMAGE_KEYS = {
    "registry",
    "image_decryption",
    "image_pull_progress_timeout",
    "image_pull_with_sync_fs",
    "max_concurrent_downloads",
    "stats_collect_period",
}


def configuration(
    version: tuple[int, ...], directory: Path, address: str, cri: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the configuration as nested tables; ``cri`` is the plugin's section, or None to leave the plugin off."""
    plugins: dict[str, Any] = {"io.containerd.internal.v1.opt": {"path": str(directory / "opt")}}
    disabled = [*(f"io.containerd.snapshotter.v1.{name}" for name in UNUSED), NRI]
    if cri is None:
        # The two others of 2.x stay, because the sandbox controller, which works without the CRI, is made of them.
        disabled.append(SERVER)
    elif version >= (2,):
        plugins |= split(cri)
    else:
        plugins[SERVER] = cri
    return {
        "version": 3 if version >= (2,) else 2,
        "root": str(directory / "root"),
        "state": str(directory / "state"),
        "disabled_plugins": disabled,
        "grpc": {"address": address},
        "debug": {"level": "info"},
        "plugins": plugins,
    }


def spans_environment(spans_to: str) -> dict[str, str]:
    """Return the environment that configures tracing; the files of 1.7.24 and 2.x have no keys for it."""
    if not spans_to:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": spans_to,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "containerd",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


def split(cri: dict[str, Any]) -> dict[str, Any]:
    """Distribute the plugin's section of 1.6 and 1.7 over the three sections of 2.x."""
    images: dict[str, Any] = {}
    runtime: dict[str, Any] = {}
    server: dict[str, Any] = {}
    for key, value in cri.items():
        if key == "sandbox_image":
            images["pinned_images"] = {"sandbox": value}
        elif key == "containerd":
            runtime[key] = {name: inner for name, inner in value.items() if name != "snapshotter"}
            images |= {name: inner for name, inner in value.items() if name == "snapshotter"}
        elif key == "cni":
            runtime[key] = {name: inner for name, inner in value.items() if name != "bin_dir"}
            runtime[key]["bin_dirs"] = [value["bin_dir"]]
        elif key in IMAGE_KEYS:
            images[key] = value
        elif key in SERVER_KEYS or key.startswith("stream_"):
            server[key] = value
        else:
            runtime[key] = value
    return {IMAGES: images, RUNTIME: runtime, SERVER: server}
