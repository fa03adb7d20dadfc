"""What a node lacks, decided from a description of it."""

from __future__ import annotations

import tomllib
from ipaddress import IPv4Network

import pytest
import yaml
from msgspec.structs import replace

from cri_shim.config.containerd.files import File
from cri_shim.setup import targets
from cri_shim.setup.checksum import checksum
from cri_shim.setup.containerd_unit import ContainerdCommand
from cri_shim.setup.node import ExistingFile, Node
from cri_shim.setup.plan import MakeDirectory, Options, Plan, WriteFile, make_plan

BARE = Node(
    directories=frozenset(
        {"/etc", "/etc/systemd", "/etc/systemd/system", "/var", "/var/lib", "/etc/cni", "/etc/cni/net.d"}
    ),
    containerd=ContainerdCommand("/lib/systemd/system/containerd.service"),
    networks=("10-net.conflist",),
    systemd=True,
)


def plan(node: Node, options: Options | None = None, *, known=None, pending=()) -> Plan:
    return make_plan(node, options or Options(), known or {}, pending)


def files_of(text: str, *imported: str) -> tuple[File, ...]:
    """containerd's configuration, and what it imports."""
    return tuple(File(f"/etc/containerd/{n}.toml", tomllib.loads(each), {}) for n, each in enumerate((text, *imported)))


def files(made: Plan) -> dict[str, WriteFile]:
    return {change.path: change for change in made.changes if isinstance(change, WriteFile)}


def after(node: Node, made: Plan) -> Node:
    """The node once the plan was carried out."""
    there = dict(node.files)
    there |= {path: ExistingFile(change.content, change.mode) for path, change in files(made).items()}
    directories = node.directories | {one.path for one in made.changes if isinstance(one, MakeDirectory)}
    own = node.own_unit or (targets.OWN_UNIT if targets.OWN_UNIT in there else "")
    return replace(node, files=there, directories=directories, own_unit=own, enabled=True, active=True)


def test_a_bare_node_gets_everything():
    """Directories before the files in them, then systemd in the order that works."""
    made = plan(BARE)
    assert list(files(made)) == [
        targets.OWN_CONFIG,
        targets.CONTAINERD_CONFIG,
        targets.CONTAINERD_DROP_IN,
        targets.OWN_UNIT,
        targets.CRICTL,
    ]
    made_by_then = set(BARE.directories)
    for change in made.changes:
        if isinstance(change, MakeDirectory):
            made_by_then.add(change.path)
        else:
            assert set(targets.parents(change.path)) <= made_by_then
    assert MakeDirectory(targets.STATE, 0o700) in made.changes
    assert made.commands == ("daemon-reload", "restart-containerd", "enable")
    assert not made.problems
    assert not made.notes


@pytest.mark.parametrize(
    "options",
    [Options(), Options(kubelet=True, pods_only=True), Options(cni_sample=True)],
    ids=["plain", "kubelet", "network"],
)
def test_a_second_plan_is_empty(options):
    """Everything is in place."""
    node = replace(BARE, networks=() if options.cni_sample else BARE.networks)
    node = after(node, plan(node, options))
    node = replace(node, networks=("10-cri-shim.conflist",))
    again = plan(node, options)
    assert again.changes == ()
    assert again.commands == ()


def test_what_broke_off_before_the_commands_is_completed():
    """The files are there, and systemd was not asked."""
    node = after(BARE, plan(BARE))
    assert plan(node, pending=("restart-containerd",)).commands == ("restart-containerd",)


def test_a_configuration_that_is_there_stays():
    """Whatever is in it."""
    node = replace(BARE, files={targets.OWN_CONFIG: ExistingFile(b"log_level = 'debug'\n", 0o600)})
    assert targets.OWN_CONFIG not in files(plan(node))


def test_a_unit_of_a_package_is_not_overruled():
    """It is below /usr/lib."""
    node = replace(BARE, own_unit="/usr/lib/systemd/system/cri-shim.service")
    assert targets.OWN_UNIT not in files(plan(node))


def test_the_unit_starts_the_program_that_there_is():
    """Not everyone installs into /usr/bin."""
    made = files(plan(replace(BARE, program="/opt/cri-shim/bin/cri-shim")))
    unit = made[targets.OWN_UNIT].content
    assert b"\nExecStart=/opt/cri-shim/bin/cri-shim serve --config" in unit
    assert b"\nExecReload=/opt/cri-shim/bin/cri-shim config check" in unit
    assert b"=/usr/bin/cri-shim" not in unit


def test_crictl_keeps_what_is_not_an_endpoint():
    """Comments, order and other keys stay."""
    before = "# mine\ntimeout: 10\nruntime-endpoint: unix:///run/containerd/containerd.sock\ndebug: true"
    made = files(plan(replace(BARE, files={targets.CRICTL: ExistingFile(before.encode(), 0o640)})))
    change = made[targets.CRICTL]
    assert change.before == before.encode()
    assert change.mode == 0o640
    assert change.content.decode().splitlines() == [
        "# mine",
        "timeout: 10",
        "runtime-endpoint: unix:///run/cri-shim/cri-shim.sock",
        "debug: true",
        "image-endpoint: unix:///run/cri-shim/cri-shim.sock",
    ]


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"a: [", b"- a\n", b"{runtime-endpoint: a, image-endpoint: b}\n", b'"runtime-endpoint": a\n'],
    ids=["not text", "not YAML", "a list", "one line", "quoted"],
)
def test_a_crictl_file_that_is_not_understood_stays(content):
    """With a note that says so."""
    made = plan(replace(BARE, files={targets.CRICTL: ExistingFile(content, 0o644)}))
    if content.startswith(b'"'):  # a second key below is what YAML lets win
        assert yaml.safe_load(files(made)[targets.CRICTL].content)["runtime-endpoint"].endswith("cri-shim.sock")
    else:
        assert targets.CRICTL not in files(made)
        assert any(targets.CRICTL in note for note in made.notes)


def test_the_socket_of_the_configuration_is_used():
    """For crictl and for the kubelet."""
    made = files(plan(replace(BARE, socket_path="/run/a.sock"), Options(kubelet=True)))
    for path in (targets.CRICTL, targets.KUBELET_CONFIG):
        assert b"unix:///run/a.sock" in made[path].content
        assert b"/run/cri-shim/" not in made[path].content


def test_the_kubelet_is_configured_if_there_is_one_or_it_is_asked_for():
    """And not if that is refused."""
    wanted = {targets.KUBELET_DROP_IN, targets.KUBELET_CONFIG}
    with_kubelet = replace(BARE, kubelet=True)
    assert not wanted & set(files(plan(BARE)))
    assert wanted <= set(files(plan(BARE, Options(kubelet=True))))
    assert wanted <= set(files(plan(with_kubelet)))
    assert not wanted & set(files(plan(with_kubelet, Options(kubelet=False))))


def test_a_kubelet_that_reads_no_directory_is_noted():
    """Then the file has no effect."""
    (note,) = plan(replace(BARE, kubelet=True)).notes
    assert "--config-dir" in note
    assert not plan(replace(BARE, kubelet=True, reads_config_dir=True)).notes


@pytest.mark.parametrize(
    ("arguments", "usual"),
    [
        (("--address", "/a.sock"), [""]),
        (("-l", "info", "--address=unix:///a.sock"), ['[grpc]\naddress = "/b.sock"\n']),
        ((), ['version = 2\n[grpc]\naddress = "/a.sock"\n']),
        ((), ['version = 2\n[grpc]\naddress = "/b.sock"\n', '[grpc]\naddress = "/a.sock"\n']),
    ],
)
def test_a_containerd_that_listens_elsewhere_is_noted(arguments, usual):
    """The daemon would wait for it for ever; an imported file may say it."""
    node = replace(BARE, containerd=ContainerdCommand("/u", arguments=arguments), containerd_files=files_of(*usual))
    (note,) = plan(node).notes
    assert "containerd listens on /a.sock, and the daemon calls /run/containerd/containerd.sock" in note
    assert not plan(replace(node, containerd_address="/a.sock")).notes


@pytest.mark.parametrize(
    "usual",
    [
        "[grpc]\naddress = 1\n",
        "[grpc]\naddress = '/var/run/containerd/containerd.sock'\n",
        "grpc = 1\n",
        "[grpc]\n",
        "",
    ],
)
def test_a_containerd_that_names_no_address_is_at_the_usual_one(usual):
    assert not plan(replace(BARE, containerd_files=files_of(usual))).notes


def test_a_network_is_made_only_when_asked_and_when_there_is_none():
    """Its subnet is free."""
    path = "/etc/cni/net.d/10-cri-shim.conflist"
    bare = replace(BARE, networks=(), taken=(IPv4Network("10.200.0.0/15"),))
    assert path not in files(plan(bare))
    assert "--cni-sample" in plan(bare).notes[0]
    assert b"10.202.0.0/24" in files(plan(bare, Options(cni_sample=True)))[path].content
    assert path not in files(plan(BARE, Options(cni_sample=True)))


def test_a_file_that_others_changed_since_stays():
    """Unless that is forced; an older one of ours is renewed."""
    ours = b"[Service]\n# of an earlier version\n"
    known = {targets.OWN_UNIT: (checksum(ours),)}
    older = replace(BARE, own_unit=targets.OWN_UNIT, files={targets.OWN_UNIT: ExistingFile(ours, 0o644)})
    edited = replace(older, files={targets.OWN_UNIT: ExistingFile(b"theirs", 0o644)})
    assert files(plan(older, known=known))[targets.OWN_UNIT].before == ours
    assert targets.OWN_UNIT not in files(plan(edited, known=known))
    assert any("changed since" in note for note in plan(edited, known=known).notes)
    assert targets.OWN_UNIT in files(plan(edited, Options(force=True), known=known))


def test_a_link_is_not_replaced():
    """What it points to belongs to another place."""
    made = plan(replace(BARE, files={targets.OWN_UNIT: ExistingFile(b"", 0o777, "a symbolic link")}))
    assert targets.OWN_UNIT not in files(made)
    assert "a symbolic link" in made.notes[0]


def test_another_namespace_leaves_containerd_alone():
    """Its CRI plugin has no pods there."""
    made = plan(replace(BARE, namespace="mine"))
    assert not {targets.CONTAINERD_CONFIG, targets.CONTAINERD_DROP_IN} & set(files(made))
    assert "restart-containerd" not in made.commands


@pytest.mark.parametrize(
    ("node", "word"),
    [
        (replace(BARE, containerd_problem="/etc/containerd/config.toml:1: invalid value"), "toml:1: invalid value"),
        (replace(BARE, containerd=ContainerdCommand("/u", config="/b.toml")), "does not exist"),
        (replace(BARE, containerd=ContainerdCommand("/u", later="/z.conf")), "/z.conf"),
        (replace(BARE, containerd=ContainerdCommand("/u", "/bin/sh", config="exec containerd")), "through /bin/sh"),
        (replace(BARE, containerd_files=files_of('required_plugins = ["cri"]\n')), "required_plugins"),
        (
            replace(BARE, containerd_files=files_of('version = 2\nrequired_plugins = ["io.containerd.grpc.v1.cri"]\n')),
            "has io.containerd.grpc.v1.cri in required_plugins",
        ),
        (
            replace(BARE, containerd_files=files_of("version = 2", 'required_plugins = ["io.containerd.grpc.v1.cri"]')),
            "/etc/containerd/1.toml has io.containerd.grpc.v1.cri in required_plugins",
        ),
        (replace(BARE, containerd=ContainerdCommand("/u", config=targets.CONTAINERD_CONFIG)), "not ours"),
    ],
)
def test_what_would_not_work_is_refused(node, word):
    """Before anything is changed."""
    assert any(word in problem for problem in plan(node).problems)


def test_docker_s_file_gets_one_of_version_1():
    """Docker's package installs it; containerd 1.x refuses names of version 2 beside it."""
    made = files(plan(replace(BARE, containerd_files=files_of('disabled_plugins = ["cri"]\n'))))
    assert made[targets.CONTAINERD_CONFIG].content.startswith(b"# containerd without")
    assert b"\nversion = 1\n" in made[targets.CONTAINERD_CONFIG].content


def test_a_containerd_without_a_unit_is_not_restarted():
    """A note says how to start it; a drop-in is there for a unit that comes later."""
    made = plan(replace(BARE, containerd=ContainerdCommand()))
    assert made.commands == ("daemon-reload", "enable")
    assert any("no containerd.service" in note for note in made.notes)


def test_without_systemd_a_finished_set_up_asks_for_nothing():
    """Whether the service runs cannot be known."""
    node = replace(after(replace(BARE, systemd=False), plan(BARE)), enabled=False, active=False)
    assert plan(node).commands == ()
