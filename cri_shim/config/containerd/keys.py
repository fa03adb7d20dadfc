"""Every key of containerd's configuration that its CRI plugin reads, of the versions 1 to 4, by its path.

The paths are those of versions 2 and 3; files of version 1 have been given full names before. ``*`` stands for a name
that the administrator chose. Source: ``pkg/cri/config`` of containerd 1.6 and 1.7, ``internal/cri/config`` of 2.x, and
their migrations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.config.containerd.handler_keys import HANDLER, OPTIONS
from cri_shim.config.containerd.rule import left, needless, taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config.containerd.rule import Own, Rule

CRI: Final = ("plugins", "io.containerd.grpc.v1.cri")
"""The whole plugin in 1.x; in 2.x only its server."""
IMAGES: Final = ("plugins", "io.containerd.cri.v1.images")
RUNTIME: Final = ("plugins", "io.containerd.cri.v1.runtime")
VERIFIER: Final = ("plugins", "io.containerd.image-verifier.v1.bindir")
_TASKS: Final = ("plugins", "io.containerd.service.v1.tasks-service")
TRANSFER: Final = ("plugins", "io.containerd.transfer.v1.local")
_SERVER: Final = ("plugins", "io.containerd.server.v1.grpc")

_OLD_SHIM: Final = "only the shim io.containerd.runtime.v1.linux reads it, which cri-shim does not use"
MOST_DOWNLOADS: Final = 64


def _downloads(value: int) -> int:
    """Return the limit. containerd's 0 means unlimited; the nearest here is the largest limit that we accept."""
    return min(value, MOST_DOWNLOADS) if value > 0 else MOST_DOWNLOADS


_RUNTIME: Final[Mapping[str, Rule]] = {
    **{
        name: taken("bool", "runtime", name)
        for name in (
            *("disable_apparmor", "enable_selinux", "restrict_oom_score_adj", "disable_proc_mount", "enable_cdi"),
            *("tolerate_missing_hugetlb_controller", "disable_hugetlb_controller", "ignore_image_defined_volumes"),
            *("device_ownership_from_security_context", "netns_mounts_under_state_dir"),
            *("enable_unprivileged_ports", "enable_unprivileged_icmp"),
        )
    },
    "selinux_category_range": taken("int", "runtime", "selinux_category_range", convert=lambda value: value or 1024),
    "max_container_log_line_size": taken("int", "runtime", "max_container_log_line_size"),
    "unset_seccomp_profile": taken("string", "runtime", "unset_seccomp_profile"),
    "cdi_spec_dirs": taken("strings", "runtime", "cdi_spec_dirs"),
    "drain_exec_sync_io_timeout": taken(
        "string", "runtime", "drain_exec_sync_io_timeout", convert=lambda value: value or "0s"
    ),
    "ignore_deprecation_warnings": taken("strings", "containerd", "ignore_deprecation_warnings"),
    "enable_criu": left("bool", "checkpoints are written where criu is installed", default=True),
    "enable_experimental_restore_via_create": left("bool", "cri-shim writes checkpoints and does not restore them"),
    "stats_retention_period": needless("string", "CPU samples are kept as long as they are needed"),
    "cni.bin_dir": taken("string", "cni", "bin_dir"),
    "cni.bin_dirs": taken("strings", "cni", "bin_dirs"),
    "cni.conf_dir": taken("string", "cni", "conf_dir"),
    "cni.max_conf_num": taken("int", "cni", "max_conf_num"),
    "cni.setup_serially": taken("bool", "cni", "setup_serially"),
    "cni.conf_template": taken("string", "cni", "conf_template"),
    "cni.ip_pref": taken("string", "cni", "ip_pref"),
    "cni.use_internal_loopback": needless("bool", "the daemon always brings lo up by itself"),
    "containerd.default_runtime_name": taken("string", "containerd", "default_runtime_name"),
    "containerd.ignore_blockio_not_enabled_errors": taken("bool", "containerd", "ignore_blockio_not_enabled_errors"),
    "containerd.ignore_rdt_not_enabled_errors": taken("bool", "containerd", "ignore_rdt_not_enabled_errors"),
    **{f"containerd.runtimes.*.{name}": rule for name, rule in HANDLER.items()},
    **{f"containerd.runtimes.*.options.{name}": rule for name, rule in OPTIONS.items()},
}
_SNAPSHOTS: Final[Mapping[str, Rule]] = {
    "snapshotter": taken("string", "containerd", "snapshotter"),
    "disable_snapshot_annotations": left(
        "bool", "snapshotters that fetch by themselves (stargz, nydus) get no annotations", default=True
    ),
    "discard_unpacked_layers": left("bool", "layers stay in the content store until their image is removed"),
}
_IMAGES: Final[Mapping[str, Rule]] = {
    "registry.config_path": taken("string", "image", "registry", "config_path"),
    "image_decryption.key_model": left("string", "encrypted images cannot be pulled", default="node"),
    "max_concurrent_downloads": taken("int", "image", "max_concurrent_downloads", convert=_downloads),
    "image_pull_progress_timeout": taken(
        "string", "image", "image_pull_progress_timeout", convert=lambda value: value or "0s"
    ),
    "image_pull_with_sync_fs": left("bool", "the file system is not synchronised after an unpacked layer"),
    "stats_collect_period": taken("int", "image", "stats_collect_period", convert=lambda value: f"{value}s"),
}
_SERVER_KEYS: Final[Mapping[str, Rule]] = {
    "stream_server_address": taken("string", "stream", "stream_server_address"),
    "stream_server_port": taken("string", "stream", "stream_server_port"),
    "stream_idle_timeout": taken("string", "stream", "stream_idle_timeout", convert=lambda value: value or "4h"),
    "enable_tls_streaming": taken("bool", "stream", "enable_tls_streaming"),
    "x509_key_pair_streaming.tls_cert_file": taken("string", "stream", "x509_key_pair_streaming", "tls_cert_file"),
    "x509_key_pair_streaming.tls_key_file": taken("string", "stream", "x509_key_pair_streaming", "tls_key_file"),
    "disable_tcp_service": left("bool", "the CRI is served on a unix socket only", default=True),
}
_ONLY_1X: Final[Mapping[str, Rule]] = {
    "sandbox_image": taken("string", "image", "sandbox_image"),
    "systemd_cgroup": needless("bool", "handlers of containerd's first shim got SystemdCgroup, others never read it"),
    "disable_cgroup": left("bool", "containers always get cgroups"),
    "containerd.no_pivot": left("bool", _OLD_SHIM),
}
_ONLY_IMAGES: Final[Mapping[str, Rule]] = {
    "concurrent_layer_fetch_buffer": left("int", "layers are fetched as one stream, or in pieces of a size of its own"),
    "use_local_image_pull": left(
        "bool", 'the daemon pulls by itself; [image] pull = "transfer" leaves that to containerd\'s service'
    ),
}


def _below(prefix: Own, *tables: Mapping[str, Rule]) -> dict[Own, Rule]:
    return {(*prefix, *name.split(".")): rule for table in tables for name, rule in table.items()}


SERVER_1X: Final = frozenset(_below(CRI, _SERVER_KEYS))
"""The keys that stay under the plugin's old name in version 3."""

KEYS: Final[Mapping[Own, Rule]] = {
    ("grpc", "address"): taken("string", "containerd", "address"),
    (*_SERVER, "address"): taken("string", "containerd", "address"),
    **_below(CRI, _SERVER_KEYS, _ONLY_1X, _RUNTIME, _IMAGES),
    **_below((*CRI, "containerd"), _SNAPSHOTS),
    **_below(RUNTIME, _RUNTIME),
    (*RUNTIME, "stats_collect_period"): needless("string", "CPU use is sampled when it is asked for"),
    **_below(IMAGES, _IMAGES, _SNAPSHOTS, _ONLY_IMAGES),
    (*VERIFIER, "bin_dir"): taken("string", "image", "verifier", "bin_dir"),
    (*VERIFIER, "max_verifiers"): taken("int", "image", "verifier", "max_verifiers"),
    (*VERIFIER, "per_verifier_timeout"): taken("string", "image", "verifier", "per_verifier_timeout"),
    (*_TASKS, "blockio_config_file"): taken("string", "runtime", "blockio_config_file"),
    (*_TASKS, "rdt_config_file"): left(
        "string", "containerd makes the groups of this file; list those that pods may use as rdt_classes in [runtime]"
    ),
    (*TRANSFER, "max_concurrent_downloads"): taken("int", "image", "max_concurrent_downloads", convert=_downloads),
}
