"""Reading a configuration: defaults, values, and everything that is refused."""

from __future__ import annotations

import dataclasses

import pytest

from cri_shim.config import Config, ConfigError, Flag, RuntimeHandler, load, parse
from cri_shim.errors import InvalidArgumentError


def problems(text, **more):
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.toml", **more)
    return [(problem.line, problem.key, problem.what) for problem in caught.value.problems]


def test_an_empty_file_means_the_defaults():
    """Every key has a default."""
    assert parse("") == Config()


def test_values_reach_the_attributes():
    """Strings, numbers, booleans, lists, durations and modes arrive as what they mean."""
    config = parse(
        """
        root = "/data"
        socket_mode = "0600"
        shutdown_grace = "1m30s"
        [containerd.runtimes.crun]
        pod_annotations = ["a.*", "b"]
        options.SystemdCgroup = true
        options.BinaryName = "crun"
        [cni]
        max_conf_num = 0
        """
    )
    assert config.root == "/data"
    assert config.socket_mode == 0o600
    assert config.shutdown_grace == 90.0
    crun = config.runtime_handler("crun")
    assert (crun.name, crun.pod_annotations) == ("crun", ("a.*", "b"))
    assert (crun.options.systemd_cgroup, crun.options.binary_name) == (True, "crun")
    assert config.cni.max_conf_num == 0


def test_runc_is_there_beside_a_runtime_of_the_user():
    """Naming another runtime does not take the default one away."""
    config = parse("[containerd.runtimes.kata]\nruntime_type = 'io.containerd.kata.v2'")
    assert set(config.containerd.runtimes) == {"runc", "kata"}
    assert config.runtime_handler("") == RuntimeHandler(name="runc")


def test_an_unknown_handler_is_refused_by_name():
    """The error for a handler that is not configured lists the ones that are."""
    with pytest.raises(InvalidArgumentError, match="'gvisor' is not configured, known are runc"):
        Config().runtime_handler("gvisor")


def test_settings_cannot_be_changed():
    """A Config handed to a collaborator stays what it was."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().cni.max_conf_num = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        Config().containerd.runtimes["x"] = RuntimeHandler()  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "line", "key", "part"),
    [
        ("\nsocket_pth = '/x'", 2, "socket_pth", "unknown key; did you mean socket_path?"),
        ("[cni]\ndisable_apparmor = true", 2, "cni.disable_apparmor", "did you mean runtime.disable_apparmor?"),
        ("[cnii]\n", 1, "cnii", "unknown table; did you mean cni?"),
        ("a.b.c = 1", 1, "a", "unknown table"),
        ("root = 1", 1, "root", "is a whole number, must be a string"),
        ("cni.max_conf_num = true", 1, "cni.max_conf_num", "is a boolean, must be a whole number"),
        ("cni.max_conf_num = 1.0", 1, "cni.max_conf_num", "is a fraction, must be a whole number"),
        ("runtime.disable_apparmor = 'yes'", 1, "runtime.disable_apparmor", "is a string, must be true or false"),
        ("runtime.disable_apparmor = 1", 1, "runtime.disable_apparmor", "is a whole number, must be true or false"),
        ("root = 1979-05-27", 1, "root", "is a date or time, must be a string"),
        ("cni = 'x'", 1, "cni", "is a string, must be a table"),
        ("[root]\n", 1, "root", "is a table, must be a string"),
        ("[containerd]\nruntimes = []", 2, "containerd.runtimes", "is a list, must be a table"),
        ("containerd.runtimes.runc = 1", 1, "containerd.runtimes.runc", "must be a table"),
        ("[[cni]]\n", 1, "cni", "is a list, must be a table"),
        ("cni.bin_dirs = [\n '/a',\n # note\n 1]", 4, "cni.bin_dirs[1]", "is a whole number, must be a string"),
        ("cni.bin_dirs = '/a'", 1, "cni.bin_dirs", "is a string, must be a list of strings"),
        ("cni.bin_dirs = []", 1, "cni.bin_dirs", "is empty"),
        ("log_level = 'loud'", 1, "log_level", 'must be one of "debug", "info"'),
        ("log_level = []", 1, "log_level", "must be one of"),
        ("shutdown_grace = 25", 1, "shutdown_grace", "must be a duration in quotes"),
        ("shutdown_grace = '25'", 1, "shutdown_grace", "'25' is not a duration"),
        ("shutdown_grace = '-1s'", 1, "shutdown_grace", "'-1s' is not a duration"),
        ("cni.timeout = '10ms'", 1, "cni.timeout", "less than a second"),
        ("socket_mode = '0999'", 1, "socket_mode", "is not a file mode"),
        ("socket_mode = 432", 1, "socket_mode", "must be a file mode in quotes"),
        ("socket_mode = '0666'", 1, "socket_mode", "would allow every user of the node"),
        ("root = 'relative'", 1, "root", "'relative' is not an absolute path"),
        (f"socket_path = '/{'x' * 120}'", 1, "socket_path", "is longer than the 107 bytes"),
        ("[http]\naddress = 'unix://run/x'", 2, "http.address", "is not an absolute path"),
        (f"[http]\naddress = 'unix:///{'x' * 120}'", 2, "http.address", "is longer than the 107 bytes"),
        ("[http]\naddress = 'localhost:1'", 2, "http.address", "nor unix:///PATH"),
        ("containerd.namespace = 'a/b'", 1, "containerd.namespace", "is not a name that containerd accepts"),
        ("oom_score = -1001", 1, "oom_score", "is not between -1000 and 1000"),
        ("runtime.unset_seccomp_profile = 'x'", 1, "runtime.unset_seccomp_profile", "is not a seccomp profile"),
        (
            "\ncontainerd.default_runtime_name = 'x'",
            2,
            "containerd.default_runtime_name",
            "add [containerd.runtimes.x]",
        ),
        ("cni.bin_dir = '/a'\ncni.bin_dirs = ['/b']", 2, "cni.bin_dirs", "keep one of the two"),
        ("root = '/run/cri-shim'", 0, "state", "is the same directory as root"),
        (
            "[containerd.runtimes.'my.one'.options]\nSystemd = 1",
            2,
            'containerd.runtimes."my.one".options.Systemd',
            "unknown key",
        ),
        ("x = \n", 1, "", "invalid value"),
        ("x = 1\nx = 2", 2, "", "cannot overwrite a value"),
        ("a = '''\nb\n", 2, "", "at the end of the file"),
    ],
)
def test_what_is_refused_is_named_with_its_line(text, line, key, part):
    """One mistake gives one problem, with its key, its line and words about it."""
    result = problems(text)
    assert [(each[0], each[1]) for each in result] == [(line, key)]
    assert part in result[0][2]


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file():
    """A person who edits the file gets one round of corrections."""
    text = "root = 1\nnope = 2\n[cni]\nmax_conf_num = -1\n[runtime]\ndisable_apparmor = ''\n"
    assert [(line, key) for line, key, _ in problems(text)] == [
        (1, "root"),
        (2, "nope"),
        (4, "cni.max_conf_num"),
        (6, "runtime.disable_apparmor"),
    ]


def test_the_error_reads_as_file_line_key_what():
    """The text of the error can be clicked in an editor."""
    with pytest.raises(ConfigError) as caught:
        parse("\n\nroot = 1", "/etc/x.toml")
    assert str(caught.value) == "/etc/x.toml:3: root: is a whole number, must be a string"


def test_a_flag_wins_over_the_file():
    """What is said on the command line counts."""
    flags = [Flag("--containerd-address", "containerd.address", "/b.sock")]
    assert parse("containerd.address = '/a.sock'", flags=flags).containerd.address == "/b.sock"
    assert parse("", flags=flags).containerd.address == "/b.sock"


def test_a_wrong_flag_is_blamed_by_its_own_name():
    """A mistake on the command line is not looked for in the file."""
    with pytest.raises(ConfigError) as caught:
        parse("log_level = 'info'", "f.toml", flags=[Flag("--log-level", "log_level", "loud")])
    assert str(caught.value).startswith("--log-level: log_level: is 'loud'")


def test_a_flag_does_not_hide_a_table_that_is_none():
    """The file is still checked where a flag reaches into it."""
    flags = [Flag("--containerd-address", "containerd.address", "/b.sock")]
    assert problems("containerd = 1", flags=flags) == [(1, "containerd", "is a whole number, must be a table")]


def test_a_named_file_must_be_there(tmp_path):
    """A path that someone wrote down is meant."""
    with pytest.raises(ConfigError, match="file not found"):
        load(tmp_path / "none.toml")


def test_the_default_file_may_be_missing(monkeypatch, tmp_path):
    """Without a file the daemon runs on its defaults."""
    monkeypatch.setattr("cri_shim.config.toml_file.DEFAULT_PATH", tmp_path / "none.toml")
    assert load() == Config()


def test_the_default_file_is_read(monkeypatch, tmp_path):
    """Without a name the file in /etc counts, and its mistakes too."""
    file = tmp_path / "config.toml"
    file.write_text("root = '/elsewhere'")
    monkeypatch.setattr("cri_shim.config.toml_file.DEFAULT_PATH", file)
    assert load().root == "/elsewhere"


def test_a_file_that_cannot_be_read_is_a_problem_not_a_traceback(tmp_path):
    """A directory, or bytes that are no text, are reported like any other mistake."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    file = tmp_path / "latin1.toml"
    file.write_bytes(b"# fine\nroot = '/\xe9'\n")
    with pytest.raises(ConfigError, match=r"latin1\.toml:2: not UTF-8"):
        load(file)


def test_values_that_are_nested_too_deeply_are_an_error():
    """And not a traceback of the parser."""
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse("a = " + "[" * 5000 + "]" * 5000)


@pytest.mark.parametrize(
    ("text", "nothing"),
    [("", True), ("# a comment\n\n", True), ("[http]\n[ledger]\n", True), ('[http]\naddress = ""\n', False)],
)
def test_a_file_that_sets_nothing_is_told_apart(tmp_path, text, nothing):
    """A reload must not take a file that is being written for a wish for all defaults; flags are not in the file."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    assert load(path, flags=[Flag("--log-level", "log_level", "debug")]).sets_nothing is nothing
