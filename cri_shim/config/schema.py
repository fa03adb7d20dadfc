"""Declare every setting with its default and one line of documentation.

The sections divide the single table of containerd's CRI plugin (1.6 and 1.7) by subject; the keys inside have the
plugin's names. A key that is declared ``live`` takes effect when the daemon reloads its configuration (SIGHUP); any
other key needs a restart, because something was made from it that cannot be changed, or must not be while pods exist.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the loader resolves these hints at run time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from cri_shim.config import checks
from cri_shim.config.forms import DURATION, MODE
from cri_shim.config.key import key, section, table_of
from untrusted import escaped

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["logfmt", "json", "console"]


@dataclass(frozen=True, slots=True)
class RuncOptions:
    """Options that the runc shim receives for its runtime (containerd's ``runc.Options``, with its spelling)."""

    systemd_cgroup: bool = key(
        False, "let systemd make the cgroups; must agree with the kubelet's cgroupDriver", name="SystemdCgroup"
    )
    binary_name: str = key("", "another OCI runtime instead of runc: a name on PATH, or a path", name="BinaryName")
    root: str = key("", "where the OCI runtime keeps its state", name="Root", check=checks.optional_path)
    shim_cgroup: str = key("", "cgroup for the shim process itself", name="ShimCgroup")
    io_uid: int = key(0, "owner of the pipes of containers", name="IoUid", check=checks.between(0, 2**32 - 1))
    io_gid: int = key(0, "group of the pipes of containers", name="IoGid", check=checks.between(0, 2**32 - 1))
    no_new_keyring: bool = key(False, "share the session keyring with containers", name="NoNewKeyring")
    criu_image_path: str = key("", "where CRIU keeps its images", name="CriuImagePath", check=checks.optional_path)
    criu_work_path: str = key("", "where CRIU keeps its logs", name="CriuWorkPath", check=checks.optional_path)


@dataclass(frozen=True, slots=True)
class RuntimeHandler:
    """One way to run pods, selected by the handler name of a RuntimeClass."""

    name: str = ""
    runtime_type: str = key("io.containerd.runc.v2", "containerd's name for the shim", check=checks.not_empty)
    runtime_path: str = key("", "the shim's program, if it is not on containerd's PATH", check=checks.optional_path)
    pod_annotations: tuple[str, ...] = key((), "patterns of pod annotations that reach the OCI runtime", live=True)
    container_annotations: tuple[str, ...] = key(
        (), "patterns of container annotations that reach the OCI runtime", live=True
    )
    privileged_without_host_devices: bool = key(False, "keep the host's devices from privileged containers", live=True)
    privileged_without_host_devices_all_devices_allowed: bool = key(
        False, "with the key above: still allow access to every device in the cgroup", live=True
    )
    base_runtime_spec: str = key("", "JSON file with the OCI spec to start from", check=checks.optional_path, live=True)
    snapshotter: str = key(
        "", "snapshotter of this handler; empty = containerd.snapshotter", check=checks.optional_identifier
    )
    cgroup_writable: bool = key(False, "mount the cgroup file system writable (cgroup v2 only)", live=True)
    options: RuncOptions = section(RuncOptions, "options of the runc shim")


def _only_runc() -> Mapping[str, RuntimeHandler]:
    return MappingProxyType({"runc": RuntimeHandler(name="runc")})


@dataclass(frozen=True, slots=True)
class ContainerdSection:
    """Which containerd to use, and how it runs pods."""

    address: str = key("/run/containerd/containerd.sock", "containerd's socket", check=checks.socket_address)
    namespace: str = key(
        "k8s.io", "containerd namespace; kubelet's cAdvisor looks only into k8s.io", check=checks.identifier
    )
    snapshotter: str = key("overlayfs", "snapshotter for images and containers", check=checks.identifier)
    ignore_blockio_not_enabled_errors: bool = key(
        False,
        "run containers without their blockio class on a node that has no classes, instead of rejecting them",
        live=True,
    )
    ignore_rdt_not_enabled_errors: bool = key(False, "the same for RDT classes", live=True)
    ignore_deprecation_warnings: tuple[str, ...] = key(
        (), "names of containerd's deprecation warnings that Status leaves out", live=True
    )
    shim_script: bool = key(
        True, "answer by a script the calls to the shim's program that need no shim, which saves starting it"
    )
    direct_signals: bool = key(
        True, "signal the processes of plain runc without the shim where that is the same, which saves running runc"
    )
    default_runtime_name: str = key("runc", "runtime handler of pods that name none", check=checks.not_empty)
    runtimes: Mapping[str, RuntimeHandler] = table_of(
        _only_runc, "runtime handlers by name; runc is there unless it is redefined"
    )


@dataclass(frozen=True, slots=True)
class SandboxSection:
    """The parts of a pod besides its containers."""

    infra: Literal["pause", "pinned"] = key(
        "pause",
        "what holds a pod's namespaces: a pause process, or bind mounts where that is enough (pinned)",
        live=True,
    )


@dataclass(frozen=True, slots=True)
class CniSection:
    """Pod networks."""

    bin_dir: str = key(
        "", "the one directory of CNI plugins; use this or bin_dirs", check=checks.optional_path, live=True
    )
    bin_dirs: tuple[str, ...] = key(
        ("/opt/cni/bin", "/usr/lib/cni"),
        "directories of CNI plugins, searched in order",
        check=checks.absolute_paths,
        live=True,
    )
    conf_dir: str = key("/etc/cni/net.d", "directory of network configurations", check=checks.absolute_path)
    max_conf_num: int = key(
        1, "number of configurations to use, in the order of their names; 0 = all", check=checks.not_negative, live=True
    )
    conf_template: str = key(
        "",
        "template that is written to conf_dir when the kubelet announces the pod CIDR",
        check=checks.optional_path,
        live=True,
    )
    ip_pref: Literal["", "ipv4", "ipv6", "cni"] = key("", "which address is the pod's first; empty is ipv4", live=True)
    setup_serially: bool = key(False, "attach a pod to its networks one after the other", live=True)
    timeout: float = key(
        60.0,
        "time to attach or detach one pod, all its plugins together",
        form=DURATION,
        check=checks.at_least_a_second,
        live=True,
    )
    cache_dir: str = key("/var/lib/cni", "where results of CNI plugins are kept", check=checks.absolute_path)

    @property
    def plugin_dirs(self) -> tuple[str, ...]:
        """Return the directories to search for plugins: only ``bin_dir`` if it is set, else ``bin_dirs``."""
        return (self.bin_dir,) if self.bin_dir else self.bin_dirs


@dataclass(frozen=True, slots=True)
class RegistrySection:
    """Where images come from."""

    config_path: str = key(
        "/etc/containerd/certs.d:/etc/docker/certs.d",
        "directories of HOST/hosts.toml, or of HOST/*.crt, *.cert and *.key, separated by colons",
        check=checks.path_list,
        live=True,
    )


@dataclass(frozen=True, slots=True)
class VerifierSection:
    """Programs that verify an image before it is pulled, as containerd's image verifier ``bindir`` does."""

    bin_dir: str = key(
        "/opt/containerd/image-verifier/bin",
        "directory of the programs; absent or empty: none is run",
        check=checks.optional_path,
        live=True,
    )
    max_verifiers: int = key(
        10,
        "number of programs to run, in the order of their names; less than 0 = all",
        live=True,
    )
    per_verifier_timeout: float = key(
        10.0,
        "a program without an answer after this time is ended, and the image is not pulled",
        form=DURATION,
        check=checks.some_time,
        live=True,
    )


@dataclass(frozen=True, slots=True)
class ImageSection:
    """Images and their pulls."""

    sandbox_image: str = key(
        "registry.k8s.io/pause:3.10", "image of the process that holds a pod", check=checks.not_empty, live=True
    )
    pull: Literal["client", "transfer"] = key(
        "client", "what pulls images: the daemon (client), or containerd's Transfer service (1.7 and later)", live=True
    )
    max_concurrent_downloads: int = key(
        3, "layers of one image fetched at the same time", check=checks.between(1, 64), live=True
    )
    max_total_downloads: int = key(
        12, "layers of all images fetched at the same time", check=checks.between(1, 1024), live=True
    )
    image_pull_progress_timeout: float = key(
        300.0, "time without progress, in any phase, after which a pull fails; 0s = never", form=DURATION, live=True
    )
    stats_collect_period: float = key(
        10.0,
        "how often the space that snapshots take is read",
        form=DURATION,
        check=checks.at_least_a_second,
        live=True,
    )
    registry: RegistrySection = section(RegistrySection, "where images come from")
    verifier: VerifierSection = section(VerifierSection, "programs that verify an image before it is pulled")


@dataclass(frozen=True, slots=True)
class RuntimeSection:
    """Settings of containers."""

    max_container_log_line_size: int = key(
        16384, "bytes of a log line before it is split; 0 or less = no limit", live=True
    )
    disable_apparmor: bool = key(False, "ignore AppArmor profiles, for a daemon that may not use AppArmor", live=True)
    enable_selinux: bool = key(False, "label pods by SELinux; false: ignore their SELinux options")
    selinux_category_range: int = key(
        1024, "number of SELinux categories from which levels of pods are made", check=checks.between(2, 1024)
    )
    restrict_oom_score_adj: bool = key(
        False, "never set oom_score_adj below the daemon's own; always so without CAP_SYS_RESOURCE", live=True
    )
    disable_proc_mount: bool = key(False, "ignore masked and read-only paths, for old kubelets", live=True)
    unset_seccomp_profile: str = key(
        "",
        "seccomp profile of containers that request none; empty = unconfined",
        check=checks.seccomp_profile,
        live=True,
    )
    tolerate_missing_hugetlb_controller: bool = key(
        True, "ignore hugepage limits where the controller is missing", live=True
    )
    disable_hugetlb_controller: bool = key(True, "never set hugepage limits", live=True)
    device_ownership_from_security_context: bool = key(
        False, "give devices to the container's user and group", live=True
    )
    ignore_image_defined_volumes: bool = key(False, "make no volumes for an image's VOLUME lines", live=True)
    netns_mounts_under_state_dir: bool = key(False, "keep network namespaces in STATE/netns instead of /var/run/netns")
    enable_unprivileged_ports: bool = key(True, "let every container bind ports below 1024", live=True)
    enable_unprivileged_icmp: bool = key(True, "let every container open ICMP echo sockets", live=True)
    blockio_config_file: str = key(
        "", "YAML file with the classes of block I/O that pods may request", check=checks.optional_path, live=True
    )
    rdt_classes: tuple[str, ...] = key(
        (), "groups of /sys/fs/resctrl that pods may request as their RDT class", live=True
    )
    enable_cdi: bool = key(True, "give containers the CDI devices that they request; false: reject them", live=True)
    cdi_spec_dirs: tuple[str, ...] = key(
        ("/etc/cdi", "/var/run/cdi"),
        "directories of CDI files; of two that describe one device the later directory wins",
        check=checks.absolute_paths,
        live=True,
    )
    starts_at_once: int = key(
        0,
        "concurrent starts of pods and containers, and stops of pods, on busy cores; 0 = two for each core",
        check=checks.between(0, 10000),
        live=True,
    )
    drain_exec_sync_io_timeout: float = key(
        5.0, "how long the output of an ended exec may stay open; 0s = forever", form=DURATION, live=True
    )


@dataclass(frozen=True, slots=True)
class KeyPairSection:
    """A certificate and its key."""

    tls_cert_file: str = key("", "certificate in PEM; empty: one is made at each start", check=checks.optional_path)
    tls_key_file: str = key("", "its private key in PEM", check=checks.optional_path)


@dataclass(frozen=True, slots=True)
class StreamSection:
    """The server that clients of exec, attach and port-forward connect to; the kubelet does so for kubectl."""

    stream_server_address: str = key(
        "127.0.0.1", "address to listen on; any other than loopback is open to the network", check=checks.ip_address
    )
    stream_server_port: str = key("0", "port to listen on; 0 = any free port", check=checks.port)
    stream_idle_timeout: float = key(
        14400.0, "idle time after which a session is ended; 0s = never", form=DURATION, live=True
    )
    enable_tls_streaming: bool = key(False, "use TLS for streaming")
    x509_key_pair_streaming: KeyPairSection = section(KeyPairSection, "certificate and key for TLS")


@dataclass(frozen=True, slots=True)
class LedgerSection:
    """The record of what every request cost."""

    enabled: bool = key(True, "keep bills of the last requests, for metrics, spans and the page; false: only log lines")


@dataclass(frozen=True, slots=True)
class TracingSection:
    """Spans for a collector, and spans received from containerd; needs the extra ``cri-shim[otel]``."""

    endpoint: str = key(
        "", "collector of spans, such as http://127.0.0.1:4318; empty: OTEL_EXPORTER_OTLP_ENDPOINT, or none", live=True
    )
    protocol: Literal["", "http/protobuf", "grpc"] = key(
        "", "http/protobuf or grpc; empty: OTEL_EXPORTER_OTLP_PROTOCOL, or http/protobuf", live=True
    )
    sampling_ratio: float = key(
        1.0, "share of requests to trace if the caller sends no trace", check=checks.between(0, 1), live=True
    )
    service_name: str = key("", "service name in traces; empty: OTEL_SERVICE_NAME, or cri-shim", live=True)
    containerd_spans: Literal["off", "receive", "ask"] = key(
        "off", "take containerd's own spans at the HTTP listener: of traced requests (receive), or of all (ask)"
    )


@dataclass(frozen=True, slots=True)
class HttpSection:
    """The local HTTP listener: the explorer page, its JSON, and metrics."""

    address: str = key(
        "127.0.0.1:9735",
        "where to listen: IP:PORT (port 0 = any free port), unix:///PATH, or empty = nowhere; any other than "
        "loopback is open to the network",
        check=checks.optional_listen_address,
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file; ``Config()`` is the meaning of an empty file."""

    root: str = key("/var/lib/cri-shim", "files of pods that outlive a reboot", check=checks.absolute_path)
    state: str = key("/run/cri-shim", "FIFOs and mounts of pods, gone after a reboot", check=checks.absolute_path)
    socket_path: str = key(
        "/run/cri-shim/cri-shim.sock", "the socket that the kubelet talks to", check=checks.socket_path
    )
    socket_mode: int = key(0o660, "permissions of that socket", form=MODE, check=checks.socket_mode)
    log_level: LogLevel = key("info", "debug, info, warning or error", live=True)
    log_format: LogFormat = key("logfmt", "logfmt, json or console, on standard error", live=True)
    oom_score: int = key(0, "the daemon's own oom_score_adj; 0 = unchanged", check=checks.between(-1000, 1000))
    shutdown_grace: float = key(25.0, "how long SIGTERM waits for running requests", form=DURATION, live=True)
    containerd: ContainerdSection = section(ContainerdSection, "which containerd, and how it runs pods")
    sandbox: SandboxSection = section(SandboxSection, "what a pod is made of, beside its containers")
    cni: CniSection = section(CniSection, "pod networks")
    image: ImageSection = section(ImageSection, "images and their pulls")
    runtime: RuntimeSection = section(RuntimeSection, "settings of containers")
    stream: StreamSection = section(StreamSection, "where exec, attach and port-forward connect")
    http: HttpSection = section(HttpSection, "the page, JSON and metrics of the ledger, over HTTP")
    ledger: LedgerSection = section(LedgerSection, "the record of what every request cost")
    tracing: TracingSection = section(TracingSection, "spans for a collector, and from containerd")
    source: str = field(default="", compare=False)
    """The file that the settings were read from; empty if there was none. It is not a key of the file."""
    sets_nothing: bool = field(default=False, compare=False)
    """Whether there was no file, or one without a key. It is not a key of the file either."""

    def runtime_handler(self, name: str) -> RuntimeHandler:
        """Return the handler that a pod requests; an empty name means the default one.

        Raises InvalidArgumentError if no handler of that name is configured.
        """
        wanted = name or self.containerd.default_runtime_name
        handler = self.containerd.runtimes.get(wanted)
        if handler is None:
            from cri_shim.errors import InvalidArgumentError  # noqa: PLC0415 - brings in grpc, which `config` needs not

            known = ", ".join(sorted(self.containerd.runtimes))
            shown = escaped(wanted)
            raise InvalidArgumentError(
                f"runtime handler '{shown}' is not configured, known are {known}; "
                f"add [containerd.runtimes.{shown}] to the configuration"
            )
        return handler
