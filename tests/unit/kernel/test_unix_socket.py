"""A socket of another program must be seen as such, or it would be removed."""

from __future__ import annotations

import contextlib
import socket

import pytest

from cri_shim.kernel.unix_socket import answers, listen


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_a_socket_of_another_kind_is_not_removed(tmp_path, kind):
    path = tmp_path / "s.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX, kind)) as server:
        server.bind(str(path))
        assert answers(str(path))
        with pytest.raises(OSError, match="another program answers"):
            listen(str(path), 0o600, 1)
        assert path.is_socket()
    assert not answers(str(path))
