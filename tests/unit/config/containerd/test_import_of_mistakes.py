"""`cri-shim config import` of what containerd takes at its start, and of plugins that are no tables."""

from __future__ import annotations

import pytest

from cri_shim import cli

CRI = 'plugins."io.containerd.grpc.v1.cri"'


def test_a_mirror_is_written_without_its_login_and_query(tmp_path, capsys):
    """containerd uses neither of them, and a password must not reach a terminal or another file."""
    file = tmp_path / "config.toml"
    file.write_text(
        f'version = 2\n[{CRI}.registry.mirrors.a]\nendpoint = ["https://user:secret@b:5000/v2/x?token=secret"]\n'
    )
    assert cli.main(["config", "import", str(file)]) == 0
    said = capsys.readouterr()
    assert '[host."https://b:5000/v2/x"]' in said.out
    assert "secret" not in said.out + said.err


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('[R.mirrors.a]\nendpoint = ["https://[::1", "https://b"]\n', "registry.mirrors.a.endpoint: what is not a URL"),
        ('[R.mirrors."[::1"]\nendpoint = ["https://b"]\n', 'registry.mirrors."[::1": what is not a URL'),
        ('[R.configs."[::1".tls]\nca_file = "/ca"\n', 'configs."[::1".tls: its name is not that of a host'),
    ],
)
def test_what_is_not_a_url_is_left_out_by_name(tmp_path, capsys, text, note):
    """containerd starts with it and fails at a pull; the rest of the file has a meaning."""
    file = tmp_path / "config.toml"
    file.write_text("version = 2\n" + text.replace("[R.", f"[{CRI}.registry."))
    assert cli.main(["config", "import", str(file)]) == 0
    said = capsys.readouterr()
    assert note in said.err
    assert "::1" not in said.out


@pytest.mark.parametrize(
    ("main", "imported"),
    [
        ("version = 2\nplugins = 5\n", f"version = 2\n[{CRI}]\nsandbox_image = 'x'\n"),
        (
            'version = 2\nplugins."io.containerd.grpc.v1.cri" = 5\n',
            (
                '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.x]\n'
                'runtime_type = "io.containerd.runtime.v1.linux"\n'
            ),
        ),
    ],
)
def test_plugins_of_a_wrong_type_beside_an_import(tmp_path, capsys, main, imported):
    """A mistake in one file is no reason for a traceback about another."""
    (tmp_path / "more.toml").write_text(imported)
    file = tmp_path / "config.toml"
    file.write_text('imports = ["more.toml"]\n' + main)
    assert cli.main(["config", "import", str(file)]) in {0, 1}
    assert "Traceback" not in capsys.readouterr().err
