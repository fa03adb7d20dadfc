"""What a pod has around its containers is read from the node."""

from __future__ import annotations

import hashlib
import json

from cri_shim.bench.parity.surroundings import NO_PROCESS, UNKNOWN, attachment, chain, sandbox_process

SANDBOX = "0f" * 32


def process(proc, pid: int, cgroup: str, argument: str = "/pause") -> None:
    """A process of a made-up /proc."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cgroup").write_text(f"4:memory:{cgroup}\n0::/\n")
    (folder / "cmdline").write_bytes(argument.encode() + b"\0")
    (folder / "exe").write_bytes(b"a program")


def test_the_process_of_a_sandbox_is_the_one_in_its_cgroup(tmp_path):
    """Named by its program and a digest; neither containers, nor shims, nor pods whose id begins alike."""
    process(tmp_path, 10, f"/p/podU/{SANDBOX}")
    process(tmp_path, 11, f"/p/podU/{'1a' * 32}", "sleep")
    process(tmp_path, 12, f"/p/podU/{SANDBOX}", "shim")
    process(tmp_path, 13, f"/p/podU/{SANDBOX}f", "other")
    (tmp_path / "sys").mkdir()
    digest = hashlib.sha256(b"a program").hexdigest()[:12]
    assert sandbox_process(SANDBOX, (12,), tmp_path) == f"/pause (sha256 {digest})"


def test_every_way_of_naming_the_cgroup_is_known(tmp_path):
    """That of CRI-O, and those of the systemd driver."""
    for number, name in enumerate((f"crio-{SANDBOX}", f"cri-containerd-{SANDBOX}.scope", f"kubepods:cri:{SANDBOX}")):
        proc = tmp_path / str(number)
        process(proc, 10, f"/p/podU/{name}")
        assert sandbox_process(SANDBOX, (), proc).startswith("/pause"), name


def test_a_sandbox_without_a_process_is_a_fact(tmp_path):
    """Nothing runs in a cgroup with its id."""
    process(tmp_path, 11, "/p/podU/other", "sleep")
    assert sandbox_process(SANDBOX, (), tmp_path) == NO_PROCESS


def interface(folder, name: str, index: int, hairpin: str | None = None) -> None:
    """An interface of a made-up node; one with a hairpin mode is a port of a bridge."""
    (folder / name).mkdir(parents=True)
    (folder / name / "ifindex").write_text(f"{index}\n")
    if hairpin is not None:
        (folder / name / "brport").mkdir()
        (folder / name / "brport" / "hairpin_mode").write_text(f"{hairpin}\n")


def test_the_other_end_of_the_pods_interface_shows_how_it_is_attached(tmp_path):
    """By the index that the pod's end names."""
    interface(tmp_path, "veth1", 7, "1")
    interface(tmp_path, "veth2", 8, "0")
    interface(tmp_path, "eth0", 2)
    assert attachment({"iflink": "7", "mtu": "1500"}, tmp_path) == {
        "attachment": "a port of a bridge of the node, with hairpin",
        "MTU": "1500",
    }
    assert attachment({"iflink": "8"}, tmp_path)["attachment"] == "a port of a bridge of the node, without hairpin"
    assert "belongs to no bridge" in attachment({"iflink": "2"}, tmp_path)["attachment"]
    assert attachment({}, tmp_path) == {"attachment": "nothing that the node's own network has", "MTU": "unknown"}


def test_the_chain_of_plugins_comes_from_the_verbose_status():
    """In its order, without loopback; a side that gives none, or another form, does not say."""
    plugins = [{"Network": {"type": kind}} for kind in ("bridge", "portmap")]
    loopback = [{"Network": {"type": "loopback"}}]
    networks = [{"Config": {"Plugins": each}} for each in (loopback, plugins)]
    assert chain({"cniconfig": json.dumps({"Networks": networks})}) == "bridge, portmap"
    for info in ({}, {"cniconfig": "x"}, {"cniconfig": "{}"}, {"cniconfig": '{"Networks": [{"Config": null}]}'}):
        assert chain(info) == UNKNOWN
