"""The verbose part of Status: the daemon's configuration, under its own keys and under the plugin's.

``crictl info``, cAdvisor and installers look for keys such as ``containerdRootDir`` or ``maxContainerLogLineSize``
inside ``config``. Those keys stand beside the daemon's own, which are those of the configuration file. Source:
containerd's ``criconfig.Config`` (of 1.x and 2.x) and go-cni's ``ConfigResult``.
"""

from __future__ import annotations

import asyncio
import json
import platform
import tomllib
from typing import TYPE_CHECKING, Any, Final

import grpc

from cri_shim.config import to_toml
from cri_shim.rpc.status_daemon import INFO_KEY, daemon_info

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.config import Config, RuntimeHandler
    from cri_shim.network.conflist import NetworkConf
    from cri_shim.service import Service

DEFAULT_NETWORK: Final = "default"
_USUAL_ROOT: Final = "/var/lib/containerd"
_PREFIX: Final = "eth"


def status_info(service: Service) -> dict[str, str]:
    """Return the verbose part of a StatusResponse; every value except a load status is JSON."""
    network = service.network.status()
    load_status = "OK" if network.ready else network.message
    mountpoint = service.snapshot_usage.mountpoint(service.config.containerd.snapshotter)
    config = merged(tomllib.loads(to_toml(service.config)), plugin_config(service.config, containerd_root(mountpoint)))
    return {
        "config": json.dumps(config),
        "python": json.dumps(
            {"version": platform.python_version(), "grpcio": grpc.__version__, "event_loop": _event_loop()}
        ),
        "cniconfig": json.dumps(cni_config(service.config, service.network.networks)),
        "lastCNILoadStatus": load_status,
        f"lastCNILoadStatus.{DEFAULT_NETWORK}": load_status,
        "counts": json.dumps(
            {
                "sandboxes": len(service.sandboxes),
                "containers": len(service.containers),
                "operations": len(service.operations),
            }
        ),
        INFO_KEY: json.dumps(daemon_info(service)),
    }


def containerd_root(mountpoint: str) -> str:
    """Return containerd's root directory, derived from a snapshotter's directory in it; empty while that is unknown."""
    if not mountpoint:
        return ""
    parent, _, name = mountpoint.rpartition("/")
    return parent if name.startswith("io.containerd.snapshotter.") else _USUAL_ROOT


def plugin_config(config: Config, root: str) -> dict[str, Any]:
    """Return the configuration under the names that the plugin gives it in JSON."""
    image, runtime, stream = config.image, config.runtime, config.stream
    line_size = runtime.max_container_log_line_size
    return {
        "containerdRootDir": root,
        "containerdEndpoint": config.containerd.address,
        "rootDir": config.root,
        "stateDir": config.state,
        "sandboxImage": image.sandbox_image,
        "maxContainerLogLineSize": line_size,
        "maxContainerLogSize": line_size,  # its name in 1.x
        "maxConcurrentDownloads": image.max_concurrent_downloads,
        "imagePullProgressTimeout": f"{image.image_pull_progress_timeout:g}s",
        "enableSelinux": runtime.enable_selinux,
        "selinuxCategoryRange": runtime.selinux_category_range,
        "disableApparmor": runtime.disable_apparmor,
        "restrictOOMScoreAdj": runtime.restrict_oom_score_adj,
        "disableProcMount": runtime.disable_proc_mount,
        "unsetSeccompProfile": runtime.unset_seccomp_profile,
        "tolerateMissingHugetlbController": runtime.tolerate_missing_hugetlb_controller,
        "disableHugetlbController": runtime.disable_hugetlb_controller,
        "device_ownership_from_security_context": runtime.device_ownership_from_security_context,
        "ignoreImageDefinedVolumes": runtime.ignore_image_defined_volumes,
        "netnsMountsUnderStateDir": runtime.netns_mounts_under_state_dir,
        "enableUnprivilegedPorts": runtime.enable_unprivileged_ports,
        "enableUnprivilegedICMP": runtime.enable_unprivileged_icmp,
        "enableCDI": runtime.enable_cdi,
        "cdiSpecDirs": list(runtime.cdi_spec_dirs),
        "drainExecSyncIOTimeout": f"{runtime.drain_exec_sync_io_timeout:g}s",
        "systemdCgroup": config.runtime_handler("").options.systemd_cgroup,
        "streamServerAddress": stream.stream_server_address,
        "streamServerPort": stream.stream_server_port,
        "streamIdleTimeout": f"{stream.stream_idle_timeout:g}s",
        "enableTLSStreaming": stream.enable_tls_streaming,
        "registry": {"configPath": image.registry.config_path},
        "containerd": {
            "snapshotter": config.containerd.snapshotter,
            "defaultRuntimeName": config.containerd.default_runtime_name,
            "runtimes": {name: _handler(handler) for name, handler in config.containerd.runtimes.items()},
        },
        "cni": {
            "binDir": ":".join(config.cni.plugin_dirs),
            "binDirs": list(config.cni.plugin_dirs),
            "confDir": config.cni.conf_dir,
            "maxConfNum": config.cni.max_conf_num,
            "setupSerially": config.cni.setup_serially,
            "confTemplate": config.cni.conf_template,
            "ipPref": config.cni.ip_pref,
        },
    }


def _handler(handler: RuntimeHandler) -> dict[str, Any]:
    return {
        "runtimeType": handler.runtime_type,
        "runtimePath": handler.runtime_path,
        "PodAnnotations": list(handler.pod_annotations),
        "ContainerAnnotations": list(handler.container_annotations),
        "baseRuntimeSpec": handler.base_runtime_spec,
        "cgroupWritable": handler.cgroup_writable,
        "snapshotter": handler.snapshotter,
    }


def cni_config(config: Config, networks: Iterable[NetworkConf]) -> dict[str, Any]:
    """Return the loaded CNI networks in go-cni's form."""
    return {
        "PluginDirs": list(config.cni.plugin_dirs),
        "PluginConfDir": config.cni.conf_dir,
        "PluginMaxConfNum": config.cni.max_conf_num,
        "Prefix": _PREFIX,
        "Networks": [
            {"Config": _network(network), "IFName": f"{_PREFIX}{number}"} for number, network in enumerate(networks)
        ],
    }


def _network(network: NetworkConf) -> dict[str, Any]:
    return {
        "Name": network.name,
        "CNIVersion": network.cni_version,
        "Plugins": [{"Network": plugin.conf, "Source": json.dumps(plugin.conf)} for plugin in network.plugins],
        "Source": network.source.decode(errors="replace"),
    }


def merged(own: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return ``own`` with the keys that only ``other`` has, table by table; for a key of both, the own value stays."""
    result = dict(own)
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result.setdefault(key, value)
    return result


def _event_loop() -> str:
    """Return the package of the running event loop: ``uvloop`` or ``asyncio``."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]
