"""The ``cni`` section of the configuration, with the key names of containerd's CRI plugin."""

from __future__ import annotations

from msgspec import Struct


class CniConfig(Struct, frozen=True):
    """Where plugins and network configurations are, and how the daemon uses them.

    ``timeout`` (seconds) bounds one attachment or detachment, all plugins of its chain together. The kubelet gives
    RunPodSandbox 4 minutes and retries it afterwards; the undo of a failed start has a budget of 1 minute, and a DEL
    must fit into it. 60 s leaves room for one hanging ADD, its DEL and an answer that names the culprit in time.
    """

    bin_dir: str = "/opt/cni/bin"  # several are separated by a colon
    conf_dir: str = "/etc/cni/net.d"
    max_conf_num: int = 1  # how many configuration files are used, in lexical order; 0 means all
    conf_template: str = ""
    ip_pref: str = ""  # ipv4 (also if empty), ipv6, or cni (keep the order of the plugins)
    setup_serially: bool = False
    timeout: float = 60.0
    cache_dir: str = "/var/lib/cni"
    poll_interval: float = 5.0  # seconds between two polls of conf_dir, for what inotify misses

    @property
    def bin_dirs(self) -> tuple[str, ...]:
        """The directories of ``bin_dir``, in the order in which they are searched."""
        return tuple(part for part in self.bin_dir.split(":") if part)
