"""The package in a root of its own: install, upgrade, downgrade, remove, purge, and what each leaves."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import cri_shim
from lab.packaging.another_version import another_version
from tests.integration.packaging.overlay_root import overlay_root

CHECKOUT = Path(__file__).resolve().parents[3]
MINUTES = 15
NEWER = "99.0.0"
# The maintainer is who builds the package; here that is root of a machine that may have no domain.
ABOUT_THE_BUILDER = re.compile(r": (bogus-mail-host|root-in-contact|mail-address-)")
JOURNAL = "/var/lib/cri-shim/setup.json"

pytestmark = [pytest.mark.root, pytest.mark.timeout(MINUTES * 60)]


@pytest.fixture(scope="module")
def newer(package, tmp_path_factory):
    """The same with a later version."""
    return another_version(package, NEWER, tmp_path_factory.mktemp("newer"))


@pytest.fixture
def root(package, newer, tmp_path):
    """A root in which dpkg works, with both packages in /tmp."""
    with overlay_root(tmp_path) as made:
        for one in (package, newer):
            target = Path(f"/proc/{made.holder}/root{made.place}/root/tmp")
            shutil.copy(one, target / one.name)
        yield made


def install(root, package):
    """What dpkg and the package say."""
    return root.run("dpkg", "--force-unsafe-io", "--install", f"/tmp/{package.name}")


def files(root):
    """The paths of the package that are files or links."""
    return {path for path in root.changed() if "cri-shim" in path}


def test_installed_it_works_and_changes_nothing_else(root, package):
    """Every file below the directories of the package, no unit enabled; commands leave no files behind."""
    said = install(root, package)
    assert "changes nothing on this node until you run: cri-shim setup" in said
    before = root.changed()
    assert {path for path in before if not path.startswith(("/usr/", "/lib/"))} == set()
    assert root.run("cri-shim", "--version").startswith(f"cri-shim {cri_shim.__version__} (Python 3")
    root.run("sh", "-c", "cri-shim config default > /tmp/config.toml")
    assert root.run("cri-shim", "config", "check", "/tmp/config.toml") == "/tmp/config.toml: ok\n"
    assert "unknown key" in root.run("sh", "-c", "echo 'a = 1' > /tmp/bad; cri-shim config check /tmp/bad", code=1)
    root.run("/usr/lib/cri-shim/bin/python3", "-c", "import cri_shim.daemon.daemon, opentelemetry.sdk, aiohttp_socks")
    assert root.run("cri-shim", "setup", "--dry-run", "--no-kubelet").count("cri-shim.service") <= 1
    assert root.changed() == before


def test_nothing_of_the_machine_that_built_it(package, tmp_path):
    """No path of the checkout or of the build, no record of pip; bytecode, and only programs are executable."""
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    environment = tmp_path / "usr/lib/cri-shim"
    text = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in text if b"cri-shim-deb-" in path.read_bytes()] == []
    assert [path for path in text if str(CHECKOUT).encode() in path.read_bytes()] == []
    assert list(environment.rglob("RECORD")) == list(environment.rglob("direct_url.json")) == []
    assert list(environment.glob("lib/*/site-packages/cri_shim/__pycache__/__init__.*.pyc"))
    assert sorted(path.name for path in (environment / "bin").iterdir()) == ["cri-shim", "python3"]
    assert {path.name for path in text if path.stat().st_mode & 0o111} == {"cri-shim"}
    assert (environment / "bin/cri-shim").read_text().startswith("#!/usr/lib/cri-shim/bin/python3\n")


def test_a_second_build_is_the_same(package, tmp_path):
    """Byte for byte, in another directory, of the same wheels."""
    command = [".venv-runtime/bin/python", "-m", "lab.packaging", str(package.parent / "wheels"), str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=MINUTES * 60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / package.name).read_bytes() == package.read_bytes()


def test_what_else_is_in_it(root, package):
    """Manual, completion, examples, the documents of Debian; the shells find their files."""
    install(root, package)
    have = root.changed()
    documents = {"copyright", "changelog.gz", "changelog.Debian.gz", "README.Debian"}
    assert {f"/usr/share/doc/cri-shim/{name}" for name in documents} <= have
    examples = {
        *("grafana/cri-shim.json", "prometheus/alerts.yml", "cni/10-cri-shim.conflist", "systemd/crictl.yaml"),
        *("systemd/containerd.service.d/10-cri-shim.conf", "systemd/kubelet.conf.d/10-cri-shim.conf"),
    }
    assert {f"/usr/share/doc/cri-shim/examples/{name}" for name in examples} <= have
    assert {"/usr/share/man/man1/cri-shim.1.gz", "/usr/share/man/man5/cri-shim-config.5.gz"} <= have
    assert "/usr/share/fish/vendor_completions.d/cri-shim.fish" in have
    assert "/usr/share/zsh/vendor-completions/_cri-shim" in have
    bash = root.run("sh", "-c", "cat /usr/share/bash-completion/completions/cri-shim")
    assert bash == root.run("cri-shim", "completion", "bash")


def test_dependencies(package):
    """On the Python whose libraries it has; on nothing that only another way of use needs."""
    fields = subprocess.run(
        ["dpkg-deb", "--field", str(package), "Depends", "Recommends"], capture_output=True, text=True, check=True
    ).stdout
    version = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2], sep='.')"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    major, minor = version.split(".")
    depends, recommends = fields.splitlines()
    assert f"python3 (>= {version}), python3 (<< {major}.{int(minor) + 1})" in depends
    assert "libc6" in depends
    assert recommends == "Recommends: containerd, runc, containernetworking-plugins, iptables, cri-tools"


def test_there_and_back(root, package, newer):
    """An upgrade and a downgrade replace the program; what the daemon had compiled goes, because it may be stale."""
    install(root, package)
    stale = "/var/cache/cri-shim/usr/lib/cri-shim/lib/stale.pyc"
    root.write(stale, "")
    root.write("/var/cache/cri-shim/usr/lib/python3.11/kept.pyc", "")
    assert "changes nothing" not in install(root, newer)
    assert root.run("cri-shim", "--version").startswith(f"cri-shim {NEWER} ")
    assert stale not in root.changed()
    assert "/var/cache/cri-shim/usr/lib/python3.11/kept.pyc" in root.changed()
    install(root, package)
    assert root.run("cri-shim", "--version").startswith(f"cri-shim {cri_shim.__version__} ")
    assert root.run("dpkg", "--verify", "cri-shim") == ""


def test_removed_and_purged_without_a_trace(root, package):
    """On a node without pods that is not set up, nothing is left but dpkg's notes; locks and caches go, too."""
    install(root, package)
    for name in ("root.lock", "state.lock", "transport.json", "shim-calls"):
        root.write(f"/var/lib/cri-shim/{name}", "")
    root.run("mkdir", "-p", "/var/lib/cri-shim/sandboxes", "/var/lib/cri-shim/containers", "/run/cri-shim/sandboxes")
    root.write("/var/cache/cri-shim/usr/lib/x.pyc", "")
    root.write("/etc/cri-shim/config.toml", "")
    said = root.run("dpkg", "--remove", "cri-shim")
    assert "stays" not in said
    assert "/etc/cri-shim/config.toml" in files(root)
    said = root.run("dpkg", "--purge", "cri-shim")
    assert "stays" not in said
    assert files(root) == set()
    root.run("test", "-e", "/var/lib/cri-shim", code=1)
    root.run("test", "-e", "/run/cri-shim", code=1)
    root.run("test", "-e", "/etc/cri-shim", code=1)
    assert root.run("dpkg", "--audit") == ""


def test_a_purge_keeps_running_pods_and_the_set_up(root, package):
    """The state of pods, and what `cri-shim setup` wrote, stay until the commands of the program remove them."""
    install(root, package)
    kept = {
        *("/var/lib/cri-shim/sandboxes/1/hosts", "/var/lib/cri-shim/root.lock", JOURNAL),
        *("/etc/cri-shim/config.toml", "/etc/cri-shim/containerd.toml"),
        "/etc/systemd/system/containerd.service.d/10-cri-shim.conf",
    }
    for path in kept:
        root.write(path, "")
    for action in ("--remove", "--purge"):
        said = root.run("dpkg", action, "cri-shim")
        assert "pods keep running" in said
        assert "install the package again and run: cri-shim wipe --yes" in said
        assert "install the package again and run: cri-shim setup --undo" in said
        assert files(root) == kept
    install(root, package)
    assert kept <= files(root)


def test_lintian_has_nothing_to_say(package):
    """Beyond what the overrides of the package give a reason for."""
    if shutil.which("lintian") is None:
        pytest.skip("there is no lintian on this machine")
    command = ["lintian", "--allow-root", "--fail-on", "none", str(package)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if not ABOUT_THE_BUILDER.search(line)] == []
