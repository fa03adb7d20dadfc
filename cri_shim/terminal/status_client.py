"""Ask a running daemon over its CRI socket how it is, and say what is wrong when nothing answers.

The CRI's own Version and Status are asked, because they answer in every state of the daemon, and need no other door.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 5.0
"""Seconds that one answer may take; a daemon in order answers within milliseconds."""

_OWN_NAME: Final = "cri-shim"
_SERVICE: Final = "/runtime.v1.RuntimeService"
_UNLIMITED: Final = -1


class NoDaemonError(Exception):
    """No daemon can be asked; the message says why, and what to do.

    ``lasting`` says that waiting does not help.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(slots=True)
class Answers:
    """What the daemon has answered; lists are None where they were not asked for, or not answered."""

    version: cri.VersionResponse
    status: cri.StatusResponse
    pods: list[int] | None = None
    containers: list[int] | None = None
    unanswered: list[str] = field(default_factory=list)


def ask(path: str, patience: float = PATIENCE) -> Answers:
    """Return what the daemon at the socket ``path`` says; raises NoDaemonError."""
    _connect(path, patience)
    options = [("grpc.max_receive_message_length", _UNLIMITED), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"unix://{os.path.abspath(path)}", options) as channel:  # noqa: PTH100 - no file is read
        call = _Calls(channel, path, patience)
        version = call("Version", cri.VersionRequest(), cri.VersionResponse.FromString)
        if version.runtime_name != _OWN_NAME:
            other = escaped(f"{version.runtime_name} {version.runtime_version}", 80)
            raise NoDaemonError(f"{other} answers at {path}, not cri-shim; name cri-shim's socket with --socket-path")
        answers = Answers(version, call("Status", cri.StatusRequest(verbose=True), cri.StatusResponse.FromString))
        if "daemon" not in answers.status.info:  # a daemon of 0.2 counts only what it lists
            answers.pods = call.states("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
            answers.containers = call.states("ListContainers", cri.ListContainersRequest(), cri.ListContainersResponse)
        return answers


class _Calls:
    def __init__(self, channel: grpc.Channel, path: str, patience: float) -> None:
        self._channel = channel
        self._path = path
        self._patience = patience

    def __call__(self, method: str, request: Any, read: Callable[[bytes], Any]) -> Any:
        """Return the response of a method; raises NoDaemonError."""
        try:
            return self._call(method, request, read)
        except grpc.RpcError as error:
            self._explain(method, error)

    def states(self, method: str, request: Any, response: Any) -> list[int] | None:
        """Return the states in a list; None if the daemon does not answer it now, as while containerd is away."""
        try:
            answer = self._call(method, request, response.FromString)
        except grpc.RpcError:
            return None
        return [each.state for each in (answer.items if method == "ListPodSandbox" else answer.containers)]

    def _call(self, method: str, request: Any, read: Callable[[bytes], Any]) -> Any:
        call = self._channel.unary_unary(
            f"{_SERVICE}/{method}", request_serializer=type(request).SerializeToString, response_deserializer=read
        )
        return call(request, timeout=self._patience)

    def _explain(self, method: str, error: grpc.RpcError) -> NoReturn:
        code, details = (getattr(error, name, lambda: None)() for name in ("code", "details"))
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            _hangs(self._path, self._patience)
        if code is grpc.StatusCode.UNIMPLEMENTED:
            raise NoDaemonError(f"what answers at {self._path} has no {method} of the CRI v1, so it is not cri-shim")
        said = escaped(str(details or error), 200)
        if method == "Version" and code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}:
            raise NoDaemonError(f"what listens at {self._path} hangs, or does not speak the CRI: {said}")
        raise NoDaemonError(f"cri-shim at {self._path} does not answer {method}: {said}; see `journalctl -u cri-shim`")


def _connect(path: str, patience: float) -> None:
    """Connect once by hand, because the errors of a socket say more than those of gRPC; raises NoDaemonError."""
    start = "start it with `systemctl start cri-shim`, or `cri-shim serve` as root"
    elsewhere = "name the file that it runs with by --config, or its socket by --socket-path"
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116 - the path may have a form that Path changes
            raise NoDaemonError(f"{path} is not a socket, so no cri-shim can serve there; {elsewhere}", lasting=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(patience)
            probe.connect(path)
    except FileNotFoundError:
        raise NoDaemonError(f"no cri-shim serves {path}: {start}; if one runs, {elsewhere}") from None
    except ConnectionRefusedError:
        why = "the socket is there, but the daemon that made it is gone"
        raise NoDaemonError(f"no cri-shim serves {path}: {why}; {start}, and see `journalctl -u cri-shim`") from None
    except PermissionError:
        raise NoDaemonError(f"not permitted to connect to {path}; run this as root", lasting=True) from None
    except (TimeoutError, BlockingIOError):
        _hangs(path, patience)
    except OSError as error:
        lasting = error.errno in {None, errno.ENAMETOOLONG, errno.ENOTDIR}
        raise NoDaemonError(f"cannot connect to {path}: {error.strerror or error}", lasting=lasting) from None


def _hangs(path: str, patience: float) -> NoReturn:
    raise NoDaemonError(
        f"the daemon at {path} has given no answer for {patience:.3g} s; see `journalctl -u cri-shim`. "
        "A restart (`systemctl restart cri-shim`) ends no pod"
    ) from None
