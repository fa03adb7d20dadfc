"""`cri-shim config import` and `config check` of files as nodes have them."""

from __future__ import annotations

import pytest

from cri_shim import cli
from cri_shim.config import Config, parse

CRI = 'plugins."io.containerd.grpc.v1.cri"'

KUBEADM = f"""
version = 2
root = "/var/lib/containerd"
[{CRI}]
  sandbox_image = "registry.k8s.io/pause:3.9"
  [{CRI}.containerd]
    [{CRI}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{CRI}.containerd.runtimes.runc.options]
        SystemdCgroup = true
  [{CRI}.registry]
    config_path = "/etc/containerd/certs.d"
"""
K3S = f"""
version = 2
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/rancher/k3s/agent/containerd"
[{CRI}]
  stream_server_address = "127.0.0.1"
  stream_server_port = "10010"
  enable_selinux = false
  enable_unprivileged_ports = true
  sandbox_image = "rancher/mirrored-pause:3.6"
[{CRI}.containerd]
  snapshotter = "overlayfs"
  disable_snapshot_annotations = true
[{CRI}.cni]
  bin_dir = "/var/lib/rancher/k3s/data/current/bin"
  conf_dir = "/var/lib/rancher/k3s/agent/etc/cni/net.d"
[grpc]
  address = "/run/k3s/containerd/containerd.sock"
[{CRI}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{CRI}.containerd.runtimes.nvidia]
  runtime_type = "io.containerd.runc.v2"
  [{CRI}.containerd.runtimes.nvidia.options]
    BinaryName = "/usr/bin/nvidia-container-runtime"
"""
OLD_CLOUD = """
disabled_plugins = ["restart"]
oom_score = -999
[plugins.linux]
  shim_debug = true
[plugins.cri]
  stream_server_address = "127.0.0.1"
  max_container_log_line_size = 262144
  systemd_cgroup = true
[plugins.cri.cni]
  bin_dir = "/home/kubernetes/bin"
  conf_template = "/home/containerd/cni.template"
[plugins.cri.containerd.default_runtime]
  runtime_type = "io.containerd.runtime.v1.linux"
  runtime_engine = "/usr/local/sbin/runc"
  runtime_root = "/run/runc"
[plugins.cri.containerd.untrusted_workload_runtime]
  runtime_type = "io.containerd.runsc.v1"
  [plugins.cri.containerd.untrusted_workload_runtime.options]
    ConfigPath = "/etc/runsc.toml"
[plugins.cri.registry.mirrors."docker.io"]
  endpoint = ["https://mirror.example/proxy", "registry.local:5000"]
[plugins.cri.registry.mirrors."*"]
  endpoint = ["http://all.example/v2"]
[plugins.cri.registry.configs."registry.local:5000".tls]
  insecure_skip_verify = true
  ca_file = "/etc/ca.pem"
  cert_file = "/etc/c.pem"
  key_file = "/etc/k.pem"
[plugins.cri.registry.configs."alone.example".tls]
  ca_file = "/etc/alone.pem"
[plugins.cri.registry.configs."registry.local:5000".auth]
  username = "user"
  password = "hunter2"
[plugins.cri.registry.auths."https://gcr.io"]
  auth = "aHVudGVyMg=="
[plugins.cri.registry.headers]
  X-Token = ["hunter2"]
"""
VERSION_3 = """
version = 3
[plugins.'io.containerd.cri.v1.images']
  use_local_image_pull = true
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = 'registry.example/pause:1'
    tools = 'registry.example/tools:1'
  [plugins.'io.containerd.cri.v1.images'.runtime_platforms.kata]
    snapshotter = 'devmapper'
    platform = 'linux/arm64'
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = ''
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dir = ''
  bin_dirs = ['/opt/cni/bin']
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.kata]
  runtime_type = 'io.containerd.kata.v2'
  sandboxer = 'shim'
  io_type = 'streaming'
  cni_conf_dir = '/etc/kata-net.d'
[plugins.'io.containerd.transfer.v1.local']
  max_concurrent_downloads = 9
"""


@pytest.fixture
def run(tmp_path, capsys):
    """Import a text; the settings, what was printed, and what was said beside it."""

    def command(text: str, *flags: str) -> tuple[Config, str, str]:
        file = tmp_path / "config.toml"
        file.write_text(text)
        assert cli.main(["config", "import", str(file), *flags]) == 0
        out, err = capsys.readouterr()
        return parse(out), out, err.replace(str(tmp_path), "DIR")

    return command


def test_a_file_of_kubeadm(run):
    """Only what differs is printed, and what is lost is nothing."""
    config, out, err = run(KUBEADM)
    assert config.image.sandbox_image == "registry.k8s.io/pause:3.9"
    assert config.image.registry.config_path == "/etc/containerd/certs.d"
    assert config.runtime_handler("").options.systemd_cgroup
    assert out.count(" = ") == 3
    assert "not taken over, and" not in err
    assert "3 settings differ from cri-shim's defaults and are in the result, 0 are not taken over" in err
    assert "DIR/config.toml:3: root: containerd's own directory" in err


def test_a_file_of_k3s(run):
    """The sockets and directories of the distribution come along, and its second runtime."""
    config, _, err = run(K3S)
    assert config.containerd.address == "/run/k3s/containerd/containerd.sock"
    assert config.stream.stream_server_port == "10010"
    assert config.cni.plugin_dirs == ("/var/lib/rancher/k3s/data/current/bin",)
    assert config.cni.conf_dir == "/var/lib/rancher/k3s/agent/etc/cni/net.d"
    assert config.runtime_handler("nvidia").options.binary_name == "/usr/bin/nvidia-container-runtime"
    assert "not taken over, and" not in err


def test_a_file_of_version_1_with_everything_deprecated(run):
    """Shims of 1.x become handlers of the runc shim, registries become hosts.toml, and no secret is shown."""
    config, out, err = run(OLD_CLOUD)
    default = config.runtime_handler("")
    assert (default.name, default.runtime_type) == ("default", "io.containerd.runc.v2")
    assert (default.options.binary_name, default.options.root) == ("/usr/local/sbin/runc", "/run/runc")
    assert default.options.systemd_cgroup
    assert config.runtime_handler("untrusted").runtime_type == "io.containerd.runsc.v1"
    assert config.runtime.max_container_log_line_size == 262144
    assert config.image.registry == Config().image.registry
    assert "the shim io.containerd.runc.v2 takes the place of io.containerd.runtime.v1.linux" in err
    assert "ConfigPath: only the runc shim gets options; io.containerd.runsc.v1 reads its own configuration" in err
    for secret in ("hunter2", "aHVudGVyMg"):
        assert secret not in out + err
    assert err.count("logins come from the kubelet with each pull") == 2
    assert "headers are set by host" in err
    assert "-999" not in out
    alone = 'ca = "/etc/alone.pem"\n'
    comments = "\n".join(line.removeprefix("# ").removeprefix("  ") for line in out.splitlines() if line[:1] == "#")
    assert comments[comments.index("/etc/containerd/certs.d/docker.io") : comments.index(alone) + len(alone)] == (
        "/etc/containerd/certs.d/docker.io/hosts.toml would be:\n"
        'server = "https://registry-1.docker.io"\n#\n'
        '[host."https://mirror.example/proxy"]\n  capabilities = ["pull", "resolve"]\n  override_path = true\n#\n'
        '[host."https://registry.local:5000"]\n  capabilities = ["pull", "resolve"]\n  skip_verify = true\n'
        '  ca = "/etc/ca.pem"\n  client = [["/etc/c.pem", "/etc/k.pem"]]\n#\n'
        "/etc/containerd/certs.d/_default/hosts.toml would be:\n#\n"
        '[host."http://all.example/v2"]\n  capabilities = ["pull", "resolve"]\n#\n'
        "/etc/containerd/certs.d/alone.example/hosts.toml would be:\n"
        'server = "https://alone.example"\n#\n'
        '[host."https://alone.example"]\n  capabilities = ["pull", "resolve"]\n  ca = "/etc/alone.pem"\n'
    )


def test_a_file_of_version_3(run):
    """Pinned images, platforms of runtimes and the limit of the transfer service have their places here."""
    config, _, err = run(VERSION_3)
    assert config.image.sandbox_image == "registry.example/pause:1"
    assert config.image.max_concurrent_downloads == 9
    assert config.image.registry == Config().image.registry
    assert config.cni.plugin_dirs == ("/opt/cni/bin",)
    kata = config.runtime_handler("kata")
    assert (kata.runtime_type, kata.snapshotter) == ("io.containerd.kata.v2", "devmapper")
    for key in ("pinned_images.tools", "kata.platform", "kata.sandboxer", "kata.io_type", "kata.cni_conf_dir"):
        assert f"{key}" in err.partition("not in the result")[0]


def test_version_4_has_containerds_address_in_a_plugin(run):
    """containerd 2.3 moved it."""
    config, _, _ = run('version = 4\n[plugins."io.containerd.server.v1.grpc"]\naddress = "/c.sock"\n')
    assert config.containerd.address == "/c.sock"


def test_values_that_only_this_daemon_refuses_are_lost_and_said(run):
    """The result passes `config check` in any case."""
    config, _, err = run(
        f"version = 2\n[{CRI}]\nunset_seccomp_profile = 'odd'\nstream_server_address = ''\nsandbox_image = ''\n"
        f"[{CRI}.containerd]\ndefault_runtime_name = 'gone'\nsnapshotter = 'a b'\n"
        f"[{CRI}.x509_key_pair_streaming]\ntls_cert_file = '/c'\n[{CRI}.cni]\nconf_dir = 'relative'\n"
    )
    assert config == Config()
    lost = err.partition("not in the result")[0]
    for key in (
        "unset_seccomp",
        "stream_server_address",
        "default_runtime_name",
        "snapshotter",
        "tls_cert",
        "conf_dir",
    ):
        assert key in lost


def test_certificate_and_key_are_taken_together(run):
    """As they are checked together."""
    config, _, _ = run(f"version = 2\n[{CRI}.x509_key_pair_streaming]\ntls_cert_file = '/c'\ntls_key_file = '/k'\n")
    assert config.stream.x509_key_pair_streaming.tls_key_file == "/k"


def test_no_limit_on_downloads_becomes_the_largest(run):
    """containerd's 0."""
    config, out, _ = run(f"version = 2\n[{CRI}]\nmax_concurrent_downloads = 0\n")
    assert config.image.max_concurrent_downloads == 64
    assert "max_concurrent_downloads = 0\nmax_concurrent_downloads = 64" in out


def test_all_prints_every_key(run):
    """With the same meaning as the short form."""
    short, _, _ = run(K3S)
    config, out, _ = run(K3S, "--all")
    assert config == short
    assert "# default\nlog_level" in out


def test_quiet_says_only_what_makes_a_difference(run):
    """And the sum."""
    _, _, err = run(KUBEADM, "--quiet")
    assert err == (
        "containerd's configuration (version 2): 3 settings differ from cri-shim's defaults and are in the result, "
        "0 are not taken over\n"
    )


def test_an_unknown_key_of_the_plugin_is_lost(run):
    """An unknown table too, unless it says nothing."""
    _, _, err = run(f"version = 2\n[{CRI}]\nnew = 1\nzero = 0\n[{CRI}.more]\nx = 1\n")
    lost = err.partition("not in the result")[0]
    assert "new: is unknown to cri-shim" in lost
    assert "more: is unknown to cri-shim" in lost
    assert "zero" not in lost


def test_nri_plugins_that_were_asked_for_are_lost(run):
    """They see only pods of containerd's own plugin."""
    nri = '[plugins."io.containerd.nri.v1.nri"]\ndisable = false\n'
    assert "plugins of NRI" in run(f"version = 2\n{nri}")[2]
    assert "plugins of NRI" not in run(f"version = 3\n{nri}")[2]


def test_a_disabled_cri_plugin_is_as_it_should_be(run):
    """Docker's package switches it off."""
    assert "the CRI plugin is off, as it should be" in run('disabled_plugins = ["cri"]\n')[2]


VERIFIER = "io.containerd.image-verifier.v1.bindir"


def test_image_verifiers_are_as_strict_as_they_were(run):
    """Any number of programs, also without an end, and any time, is taken over."""
    config, _, err = run(f"version = 3\n[plugins.'{VERIFIER}']\nmax_verifiers = 5000\nper_verifier_timeout = '500ms'\n")
    assert (config.image.verifier.max_verifiers, config.image.verifier.per_verifier_timeout) == (5000, 0.5)
    assert "0 are not taken over" in err
    config, _, _ = run(f"version = 3\n[plugins.'{VERIFIER}']\nmax_verifiers = -5\n")
    assert config.image.verifier.max_verifiers == -5


def test_image_verifiers_that_are_off_are_off(run):
    """containerd asks none of them then, whatever their table says."""
    config, text, _ = run(f"version = 3\ndisabled_plugins = ['{VERIFIER}']\n[plugins.'{VERIFIER}']\nbin_dir = '/a'\n")
    assert config.image.verifier.bin_dir == ""
    assert "disabled_plugins" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plugins = 1", "plugins: must be a table"),
        (f"{CRI} = 1", "must be a table"),
        (f"[{CRI}]\ncontainerd = 1", "containerd: must be a table"),
        (f"[{CRI}.containerd]\nruntimes = 1", "runtimes: must be a table"),
        (f"[{CRI}.containerd.runtimes]\nrunc = 1", "runc: must be a table"),
        (f"[{CRI}.containerd.runtimes.runc]\noptions = 1", "options: must be a table"),
        (f"[{CRI}.registry]\nmirrors = 1", "mirrors: must be a table"),
        (f"[{CRI}.registry.configs]\nhost = 1", "host: must be a table"),
        ("[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = 1", "sandbox: must be a string"),
        ("[grpc]\naddress = 5", "grpc.address: is 5, must be a string"),
        (f"[{CRI}]\nenable_selinux = 'yes'\nsandbox_image = 1", "sandbox_image: is 1, must be a string"),
        (f"[{CRI}]\nmax_container_log_line_size = {1 << 70}", "must be a whole number"),
    ],
)
def test_a_mistake_that_containerd_does_not_start_with_is_an_error(tmp_path, capsys, text, said):
    """With the line, on standard error, without any result."""
    file = tmp_path / "config.toml"
    file.write_text(f"version = 2\n{text}\n")
    assert cli.main(["config", "import", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert f"{file}:" in err


def test_files_are_joined_as_each_line_of_containerd_joins_them(tmp_path, capsys):
    """1.x replaces a plugin's table, 2.x merges it; where that makes a difference the command says so."""
    (tmp_path / "a.toml").write_text(f"version = 2\nimports = ['b.toml']\n[{CRI}]\nenable_selinux = true\n")
    (tmp_path / "b.toml").write_text(f"[{CRI}.cni]\nconf_dir = '/x'\n")
    assert cli.main(["config", "import", "-q", str(tmp_path / "a.toml")]) == 0
    out, err = capsys.readouterr()
    assert not parse(out).runtime.enable_selinux
    assert f"# {tmp_path}/b.toml:2: " in out
    assert "`--containerd 2` prints that for 2.x" in err
    assert cli.main(["config", "import", "-q", "--containerd", "2", str(tmp_path / "a.toml")]) == 0
    out, err = capsys.readouterr()
    assert parse(out).runtime.enable_selinux
    assert parse(out).cni.conf_dir == "/x"
    assert "--containerd" not in err


def test_a_mistake_that_only_the_other_line_sees_is_no_error(tmp_path, capsys):
    """1.x replaces the table that has it."""
    (tmp_path / "a.toml").write_text(f"version = 2\nimports = ['b.toml']\n[{CRI}]\nenable_selinux = 'yes'\n")
    (tmp_path / "b.toml").write_text(f"[{CRI}.cni]\nconf_dir = '/x'\n")
    assert cli.main(["config", "import", "-q", str(tmp_path / "a.toml")]) == 0
    assert "`--containerd 2` prints that for 2.x" in capsys.readouterr().err
    assert cli.main(["config", "import", "--containerd", "2", str(tmp_path / "a.toml")]) == 1
    assert "enable_selinux: is" in capsys.readouterr().err


def test_control_characters_stay_out_of_comments_and_messages(run):
    """A name in the file cannot end a comment, nor paint the terminal."""
    _, out, err = run(
        f'version = 2\n[{CRI}.containerd.runtimes."a\\nb\\u001b[31m"]\nruntime_type = "io.x"\nodd = 1\n'
        f'[{CRI}.registry.mirrors."x\\ny"]\nendpoint = ["http://a\\nb"]\n'
    )
    assert "\x1b" not in out + err
    assert all(line.startswith(("#", "[", "runtime_type")) or not line for line in out.splitlines())


@pytest.mark.parametrize(("text", "version"), [(KUBEADM, 2), (OLD_CLOUD, 1), (VERSION_3, 3), ("imports = []", 1)])
@pytest.mark.parametrize("command", [["config", "check"], ["serve", "--config"], ["config", "dump", "--config"]])
def test_a_file_of_containerds_is_recognised(tmp_path, capsys, text, version, command):
    """One line that says what it is and what to do, instead of a line for each key."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert cli.main([*command, str(file)]) == 1
    assert capsys.readouterr().err == (
        f"{file}: this is a configuration of containerd (version {version}), not of cri-shim; "
        f"`cri-shim config import {file}` prints its settings as a file for cri-shim\n"
    )


def test_a_file_of_ours_with_a_table_of_containerds_is_ours(tmp_path, capsys):
    """Its mistakes are listed as before."""
    file = tmp_path / "config.toml"
    file.write_text("log_level = 'info'\n[plugins]\n")
    assert cli.main(["config", "check", str(file)]) == 1
    assert "plugins: unknown table" in capsys.readouterr().err
