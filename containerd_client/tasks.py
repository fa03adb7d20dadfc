"""containerd.services.tasks.v1: a container's running process (its task) and its exec processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2 as pb
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from containerd_client.call import Unary
from containerd_client.errors import NotFound
from containerd_client.exits import Exit, exit_of_delete, exit_of_wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.any_pb2 import Any

    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.tasks.v1.Tasks"
_NOT_STARTED = frozenset({task_types.UNKNOWN, task_types.CREATED})
_PAUSED = frozenset({task_types.PAUSED, task_types.PAUSING})


class Tasks:
    """The tasks service, reached as ``client.tasks``. An empty ``exec_id`` means the container's own process."""

    def __init__(self, connection: Connection) -> None:
        self._create: Unary[pb.CreateTaskRequest, pb.CreateTaskResponse] = Unary(
            connection, f"{_SERVICE}/Create", pb.CreateTaskResponse.FromString, check=self._check_created
        )
        self._start: Unary[pb.StartRequest, pb.StartResponse] = Unary(
            connection, f"{_SERVICE}/Start", pb.StartResponse.FromString, check=self._check_started
        )
        self._delete: Unary[pb.DeleteTaskRequest, pb.DeleteResponse] = Unary(
            connection, f"{_SERVICE}/Delete", pb.DeleteResponse.FromString
        )
        self._delete_process: Unary[pb.DeleteProcessRequest, pb.DeleteResponse] = Unary(
            connection, f"{_SERVICE}/DeleteProcess", pb.DeleteResponse.FromString
        )
        self._get: Unary[pb.GetRequest, pb.GetResponse] = Unary(
            connection, f"{_SERVICE}/Get", pb.GetResponse.FromString
        )
        self._list: Unary[pb.ListTasksRequest, pb.ListTasksResponse] = Unary(
            connection, f"{_SERVICE}/List", pb.ListTasksResponse.FromString
        )
        self._kill: Unary[pb.KillRequest, Empty] = Unary(connection, f"{_SERVICE}/Kill", Empty.FromString)
        self._exec: Unary[pb.ExecProcessRequest, Empty] = Unary(
            connection, f"{_SERVICE}/Exec", Empty.FromString, check=self._check_exec
        )
        self._resize_pty: Unary[pb.ResizePtyRequest, Empty] = Unary(
            connection, f"{_SERVICE}/ResizePty", Empty.FromString
        )
        self._close_io: Unary[pb.CloseIORequest, Empty] = Unary(connection, f"{_SERVICE}/CloseIO", Empty.FromString)
        self._pause: Unary[pb.PauseTaskRequest, Empty] = Unary(
            connection, f"{_SERVICE}/Pause", Empty.FromString, check=self._check_paused
        )
        self._resume: Unary[pb.ResumeTaskRequest, Empty] = Unary(
            connection, f"{_SERVICE}/Resume", Empty.FromString, check=self._check_resumed
        )
        self._list_pids: Unary[pb.ListPidsRequest, pb.ListPidsResponse] = Unary(
            connection, f"{_SERVICE}/ListPids", pb.ListPidsResponse.FromString
        )
        self._checkpoint: Unary[pb.CheckpointTaskRequest, pb.CheckpointTaskResponse] = Unary(
            connection, f"{_SERVICE}/Checkpoint", pb.CheckpointTaskResponse.FromString
        )
        self._update: Unary[pb.UpdateTaskRequest, Empty] = Unary(connection, f"{_SERVICE}/Update", Empty.FromString)
        self._metrics: Unary[pb.MetricsRequest, pb.MetricsResponse] = Unary(
            connection, f"{_SERVICE}/Metrics", pb.MetricsResponse.FromString
        )
        self._wait: Unary[pb.WaitRequest, pb.WaitResponse] = Unary(
            connection, f"{_SERVICE}/Wait", pb.WaitResponse.FromString, channel=connection.streams
        )

    async def create(
        self,
        container_id: str,
        *,
        rootfs: Iterable[types_pb2.Mount] = (),
        stdin: str = "",
        stdout: str = "",
        stderr: str = "",
        terminal: bool = False,
        options: Any | None = None,
        checkpoint: types_pb2.Descriptor | None = None,
        runtime_path: str = "",
    ) -> int:
        """Start the shim and create the container's process without running it; returns the pid.

        ``stdin``, ``stdout`` and ``stderr`` are paths of FIFOs. ``runtime_path`` is a program to run instead of the one
        that the record's runtime stands for. Raises AlreadyExists, NotFound (no such container),
        and Unknown with the text of the OCI runtime.
        """
        request = pb.CreateTaskRequest(
            container_id=container_id,
            rootfs=rootfs,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            terminal=terminal,
            options=options,
            checkpoint=checkpoint,
            runtime_path=runtime_path,
        )
        return (await self._create(request)).pid

    async def start(self, container_id: str, exec_id: str = "") -> int:
        """Run a created process; returns its pid."""
        return (await self._start(pb.StartRequest(container_id=container_id, exec_id=exec_id))).pid

    async def delete(self, container_id: str) -> Exit:
        """Remove a stopped task and its shim; raises NotFound, or FailedPrecondition while it runs."""
        return exit_of_delete(await self._delete(pb.DeleteTaskRequest(container_id=container_id)))

    async def delete_process(self, container_id: str, exec_id: str) -> Exit:
        """Remove an exec process that has ended; raises NotFound."""
        request = pb.DeleteProcessRequest(container_id=container_id, exec_id=exec_id)
        return exit_of_delete(await self._delete_process(request))

    async def get(self, container_id: str, exec_id: str = "") -> task_types.Process:
        """Return the state of a process; raises NotFound."""
        return (await self._get(pb.GetRequest(container_id=container_id, exec_id=exec_id))).process

    async def kill(self, container_id: str, signal: int, *, exec_id: str = "", all: bool = False) -> None:  # noqa: A002 - containerd's name for it
        """Send ``signal``, with ``all`` to all processes of the container; raises NotFound for an ended process."""
        await self._kill(pb.KillRequest(container_id=container_id, exec_id=exec_id, signal=signal, all=all))

    async def exec(
        self,
        container_id: str,
        exec_id: str,
        *,
        spec: Any,
        stdin: str = "",
        stdout: str = "",
        stderr: str = "",
        terminal: bool = False,
    ) -> None:
        """Add a process to a running container, for ``start`` to run; ``spec`` is an OCI Process as JSON in an Any."""
        await self._exec(
            pb.ExecProcessRequest(
                container_id=container_id,
                exec_id=exec_id,
                spec=spec,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                terminal=terminal,
            )
        )

    async def resize_pty(self, container_id: str, exec_id: str, width: int, height: int) -> None:
        """Set the size of a process's terminal, in characters."""
        await self._resize_pty(
            pb.ResizePtyRequest(container_id=container_id, exec_id=exec_id, width=width, height=height)
        )

    async def close_io(self, container_id: str, exec_id: str = "", *, stdin: bool = True) -> None:
        """Have the shim close its end of stdin, so that the process reads end of file."""
        await self._close_io(pb.CloseIORequest(container_id=container_id, exec_id=exec_id, stdin=stdin))

    async def pause(self, container_id: str) -> None:
        """Freeze all processes."""
        await self._pause(pb.PauseTaskRequest(container_id=container_id))

    async def resume(self, container_id: str) -> None:
        """Thaw all processes."""
        await self._resume(pb.ResumeTaskRequest(container_id=container_id))

    async def list_pids(self, container_id: str) -> list[task_types.ProcessInfo]:
        """Return the host pids in the container; for exec processes ``info`` contains the exec id."""
        return list((await self._list_pids(pb.ListPidsRequest(container_id=container_id))).processes)

    async def checkpoint(
        self, container_id: str, *, parent_checkpoint: str = "", options: Any | None = None
    ) -> list[types_pb2.Descriptor]:
        """Write the state of the processes into the content store (by CRIU)."""
        request = pb.CheckpointTaskRequest(
            container_id=container_id, parent_checkpoint=parent_checkpoint, options=options
        )
        return list((await self._checkpoint(request)).descriptors)

    async def update(self, container_id: str, resources: Any, annotations: Mapping[str, str] | None = None) -> None:
        """Change the limits of a running container; ``resources`` is OCI LinuxResources as JSON in an Any."""
        await self._update(
            pb.UpdateTaskRequest(container_id=container_id, resources=resources, annotations=annotations)
        )

    async def metrics(self, *filters: str) -> list[types_pb2.Metric]:
        """Return the cgroup metrics of the tasks that match any of ``filters`` (``id==…``), or of all tasks."""
        return list((await self._metrics(pb.MetricsRequest(filters=filters))).metrics)

    async def wait(self, container_id: str, exec_id: str = "") -> Exit:
        """Return the exit once the process has ended; raises NotFound, Unavailable if containerd goes away meanwhile.

        A deadline of ``call_options`` applies here too, so start long waits under ``detached_options``.
        """
        return exit_of_wait(await self._wait(pb.WaitRequest(container_id=container_id, exec_id=exec_id)))

    async def list(self, filter: str = "") -> list[task_types.Process]:  # noqa: A002 - containerd's name for it
        """Return all tasks of the namespace (containerd ignores ``filter`` so far)."""
        return list((await self._list(pb.ListTasksRequest(filter=filter))).tasks)

    async def _find(self, container_id: str, exec_id: str = "") -> task_types.Process | None:
        try:
            return await self.get(container_id, exec_id)
        except NotFound:
            return None

    async def _check_created(self, request: pb.CreateTaskRequest) -> pb.CreateTaskResponse | None:
        process = await self._find(request.container_id)
        if process is None or process.status != task_types.CREATED or process.stdout != request.stdout:
            return None
        return pb.CreateTaskResponse(container_id=request.container_id, pid=process.pid)

    async def _check_started(self, request: pb.StartRequest) -> pb.StartResponse | None:
        process = await self._find(request.container_id, request.exec_id)
        # A process that has ended was started before; its exit is reported like any other.
        if process is None or process.status in _NOT_STARTED:
            return None
        return pb.StartResponse(pid=process.pid)

    async def _check_exec(self, request: pb.ExecProcessRequest) -> Empty | None:
        process = await self._find(request.container_id, request.exec_id)
        return Empty() if process is not None and process.stdout == request.stdout else None

    async def _check_paused(self, request: pb.PauseTaskRequest) -> Empty | None:
        process = await self._find(request.container_id)
        return Empty() if process is not None and process.status in _PAUSED else None

    async def _check_resumed(self, request: pb.ResumeTaskRequest) -> Empty | None:
        process = await self._find(request.container_id)
        return Empty() if process is not None and process.status == task_types.RUNNING else None
