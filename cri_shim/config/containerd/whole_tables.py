"""Tables of containerd's configuration that are one thing, and are not taken key by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from cri_shim.config.containerd import registries
from cri_shim.config.containerd.keys import CRI, IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.config.containerd.rule import Own
    from cri_shim.config.lines import Path

_NRI: Final = "io.containerd.nri.v1.nri"
_LOGINS: Final = "logins come from the kubelet with each pull: imagePullSecrets, or a credential provider"


class Taker(Protocol):
    """What takes values and notes."""

    def take(self, to: Own, path: Path, value: Any, was: str = "") -> None:
        """Take ``value`` for the key ``to`` of this daemon, or note why it cannot be taken."""

    def note_lost(self, path: Path, reason: str) -> None:
        """Note that what is at ``path`` has no counterpart, and why that matters."""

    def note_default(self, path: Path) -> None:
        """Note that nothing is lost."""

    def wrong(self, path: Path, what: str) -> None:
        """Note a mistake with which containerd does not start either."""

    def handler(self, path: Path, value: Any, name: str) -> None:
        """Take the table at ``path`` as the runtime handler ``name``."""

    def add_hosts(self, files: list[registries.HostsFile]) -> None:
        """Keep the hosts.toml files that say what an inline table said."""


def take(taker: Taker, pattern: Own, path: Path, value: Any) -> bool:
    """Take the table at ``path`` if it is one of those of this module, and return whether it is."""
    function = WHOLE_TABLES.get(pattern)
    if function is None:
        return False
    if isinstance(value, dict):
        function(taker, path, value)
    else:
        taker.wrong(path, "must be a table")
    return True


def plugin_reason(name: str, table: dict[str, Any], version: int) -> str | None:
    """Return what another plugin's table loses under this daemon; None for all that keep their meaning."""
    # Plugins of NRI are off unless asked for in 1.7, and on unless refused in 2.x.
    if name == _NRI and version < 3 and table.get("disable") is False:
        return "plugins of NRI see only the pods of containerd's own CRI plugin, and none of cri-shim's"
    return None


def _pinned_images(taker: Taker, path: Path, table: dict[str, Any]) -> None:
    for key, image in table.items():
        here = (*path, key)
        if not isinstance(image, str):
            taker.wrong(here, "must be a string")
        elif key == "sandbox" and not image:
            taker.note_default(here)
        elif key == "sandbox":
            taker.take(("image", "sandbox_image"), here, image)
        else:
            taker.note_lost(here, "only the sandbox image is pinned; the kubelet may remove this one")


def _platforms(taker: Taker, path: Path, table: dict[str, Any]) -> None:
    for name, platform in table.items():
        for key, value in platform.items() if isinstance(platform, dict) else ():
            if key == "snapshotter" and isinstance(value, str):
                taker.take(("containerd", "runtimes", name, "snapshotter"), (*path, name, key), value)
            elif value:
                taker.note_lost((*path, name, key), "images are pulled for the platform of the node")


def _named_handler(name: str) -> Callable[[Taker, Path, dict[str, Any]], None]:
    """Return what takes a table of 1.x that is a handler of a fixed name, and is absent without a ``runtime_type``."""

    def function(taker: Taker, path: Path, table: dict[str, Any]) -> None:
        if not table.get("runtime_type"):
            taker.note_default(path)
            return
        taker.handler(path, table, name)
        if name == "default":
            taker.take(("containerd", "default_runtime_name"), path, name)

    return function


def _mirrors(taker: Taker, path: Path, table: dict[str, Any]) -> None:
    if not table:
        taker.note_default(path)
        return
    taker.note_lost(path, "write the hosts.toml files that stand in the result as comments")
    taker.add_hosts(registries.of_mirrors(table))
    for registry, key in registries.wrong_urls(table):
        taker.note_lost((*path, registry, *([key] if key else [])), "what is not a URL is left out of the comments")


def _configs(taker: Taker, path: Path, table: dict[str, Any]) -> None:
    if not table:
        taker.note_default(path)
    for host, config in table.items():
        here = (*path, host)
        if not isinstance(config, dict):
            taker.wrong(here, "must be a table")
            continue
        if "auth" in config:
            taker.note_lost((*here, "auth"), _LOGINS)
        if "tls" in config:
            hosts = registries.of_tls(host, config["tls"])
            taker.add_hosts(hosts)
            written = "write the hosts.toml files that stand in the result as comments"
            taker.note_lost((*here, "tls"), written if hosts else "its name is not that of a host")


def _auths(taker: Taker, path: Path, table: dict[str, Any]) -> None:
    if not table:
        taker.note_default(path)
    for endpoint in table:
        taker.note_lost((*path, endpoint), _LOGINS)


def _headers(taker: Taker, path: Path, table: dict[str, Any]) -> None:
    if not table:
        taker.note_default(path)
    else:
        taker.note_lost(path, 'headers are set by host: [host."URL".header] in its hosts.toml')


WHOLE_TABLES: Final[dict[Own, Callable[[Taker, Path, dict[str, Any]], None]]] = {
    (*IMAGES, "pinned_images"): _pinned_images,
    (*IMAGES, "runtime_platforms"): _platforms,
    (*CRI, "containerd", "default_runtime"): _named_handler("default"),
    (*CRI, "containerd", "untrusted_workload_runtime"): _named_handler("untrusted"),
    **{
        (*prefix, "registry", name): function
        for prefix in (CRI, IMAGES)
        for name, function in (("mirrors", _mirrors), ("configs", _configs), ("auths", _auths), ("headers", _headers))
    },
}
