"""What a node of the tests has in place of what it cannot have: all that is not as the page says is here.

- The internet: packages come from the registries of packages, through the network of the machine. docker.io and
  registry.k8s.io are a registry on the loopback device, with a busybox and a sandbox image of our own; the daemon finds
  it by hosts.toml, so that names of images are as on the page.
- systemd: ``systemctl`` is a script, and the commands that ``cri-shim setup`` asks to be run by hand are run.
- Kubernetes: there is no kubelet and no kubectl, and their commands are left out.
- A terminal: questions are answered with yes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.config import Config
from lab.images import busybox_image, pause_image, push
from lab.registry import CONFIG, Registry
from tests.install.fresh_root import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.install.fresh_root import FreshRoot

PORT: Final = 5000
HOSTS: Final = Path("etc/containerd/certs.d")
SANDBOX: Final = Config().image.sandbox_image
BUSYBOX: Final = "docker.io/library/busybox:1"
SYSTEMCTL: Final = Path(__file__).with_name("systemctl")

ONLINE: Final = "\n".join(
    f'function {program} {{ nsenter --net={OUTSIDE} "$(type -P {program})" "$@"; }}'
    for program in ("apt", "apt-get", "make", "/opt/cri-shim/bin/pip")
)
"""Functions of the shell: what needs the registries of packages is run in the network of the machine."""

BY_HAND: Final = """
function cri-shim {
    local said=/run/stand-in/said
    mkdir -p /run/stand-in
    command cri-shim "$@" | tee "$said"
    local code=${PIPESTATUS[0]}
    [ "$1" = setup ] || return $code
    sed -n '/^ *[0-9]/d; s/^.*run by hand: //p; s/^  \\(systemctl\\)/\\1/p' "$said" | bash -ex || code=1
    return $code
}
"""
"""A function of the shell: commands that a set-up asks to be run by hand are run."""

_KUBERNETES: Final = re.compile(r"^kubectl |^systemctl \w+ kubelet$")


def here(command: str) -> str | None:
    """Return a command of the page as it is run; None if it needs what is not there."""
    plain = command.partition("  #")[0].strip()
    if _KUBERNETES.search(plain):
        return None
    if plain.startswith("systemctl "):
        return command.replace(" kubelet", "")
    return command


@contextmanager
def without_systemd(root: FreshRoot) -> Iterator[None]:
    """Give a node its systemctl, and the images that it pulls."""
    shutil.copy(SYSTEMCTL, root.files / "usr/local/bin/systemctl")
    with tempfile.TemporaryDirectory(prefix="registry-") as name:
        directory = Path(name)
        with Registry.start(directory) as registry:
            push_images(registry.address)
        config = directory / "there.yml"
        config.write_text(CONFIG.format(storage=directory / "storage", address=f"127.0.0.1:{PORT}", more=""))
        write_hosts(root.files, f"127.0.0.1:{PORT}")
        with (directory / "there.log").open("wb") as log:
            served = subprocess.Popen(
                [*root.enter_network, "docker-registry", "serve", str(config)], stdout=log, stderr=log
            )
        try:
            yield
        finally:
            served.kill()
            served.wait()


def push_images(address: str) -> None:
    """Fill a registry with the images that the page names, and the one of pods."""
    push(address, BUSYBOX.partition("/")[2], busybox_image())
    push(address, SANDBOX.partition("/")[2], pause_image())


def write_hosts(files: Path, address: str) -> None:
    """Let the daemon of a node ask a registry of ours instead of those of the internet."""
    for image in (BUSYBOX, SANDBOX):
        directory = files / HOSTS / image.partition("/")[0]
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "hosts.toml").write_text(f'server = "http://{address}"\n')
