"""containerd.services.tasks.v1 of the fake."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2 as pb
from containerd_client.api.containerd.types import types_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from containerd_client.api.io.containerd.cgroups.v1 import cgroups_pb2
from tests.fakes.containerd.filters import Filters
from tests.fakes.containerd.identifiers import validate_identifier
from tests.fakes.containerd.processes import Process, Task
from tests.fakes.containerd.programs import Program
from tests.fakes.containerd.refusals import Refusal, already_exists, bare, not_found, unknown
from tests.fakes.containerd.state import now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call

SHIM_GONE = "ttrpc: closed"
_STATE_NAMES = {
    task_types.CREATED: "created",
    task_types.RUNNING: "running",
    task_types.STOPPED: "stopped",
    task_types.PAUSED: "paused",
}


class Tasks:
    """The methods. A process is refused in the words of the shim's state machine."""

    descriptor = pb.DESCRIPTOR.services_by_name["Tasks"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._processes = backend.processes
        self.metrics: dict[str, Any] = {}
        """What Metrics answers for a container, instead of a made-up memory of one page and one process."""

    async def create(self, request: pb.CreateTaskRequest, call: Call) -> pb.CreateTaskResponse:
        """Prepare a container's process."""
        space = self._backend.state[call.required_namespace()]
        container = space.containers.get(request.container_id)
        if container is None:
            raise self._no_container(request.container_id, call)
        if request.container_id in space.tasks:
            raise already_exists(f"task {request.container_id}")
        process = Process(
            request.container_id,
            "",
            Program(),
            request.stdin,
            request.stdout,
            request.stderr,
            request.terminal,
        )
        self._processes.choose_program(process, container.spec.value, is_exec=False)
        process.pid = self._processes.new_pid(request.container_id, "")
        process.open_output()
        bundle = self._backend.bundle(call.namespace, request.container_id)
        space.tasks[request.container_id] = Task(request.container_id, process, bundle, list(request.rootfs))
        created = events_pb2.TaskCreate(
            container_id=request.container_id,
            bundle=bundle,
            rootfs=request.rootfs,
            io=events_pb2.TaskIO(
                stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, terminal=request.terminal
            ),
            pid=process.pid,
        )
        self._backend.bus.publish(call.namespace, "/tasks/create", created)
        return pb.CreateTaskResponse(container_id=request.container_id, pid=process.pid)

    async def start(self, request: pb.StartRequest, call: Call) -> pb.StartResponse:
        """Run a created process."""
        task, process = self._find(request.container_id, request.exec_id, call)
        if request.exec_id and task.init.status == task_types.STOPPED and self._backend.version >= (1, 7):
            raise bare(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"container {task.container_id} init process is not running: failed precondition",
            )
        if request.exec_id and task.init.status == task_types.STOPPED and process.status == task_types.CREATED:
            raise self._failure("OCI runtime exec failed: exec failed: cannot exec in a stopped container")
        if process.status != task_types.CREATED:
            raise self._failure(f"cannot start a {_STATE_NAMES[task.status_of(process)]} process")
        self._processes.start(call.namespace, process)
        return pb.StartResponse(pid=process.pid)

    async def delete(self, request: pb.DeleteTaskRequest, call: Call) -> pb.DeleteResponse:
        """Remove an ended or never started task."""
        task, process = self._find(request.container_id, "", call)
        state = task.status_of(process)
        if state in (task_types.RUNNING, task_types.PAUSED):
            raise self._failure(f"failed to delete task: cannot delete a {_STATE_NAMES[state]} process")
        process.close_output()
        del self._backend.state[call.namespace].tasks[request.container_id]
        deleted = events_pb2.TaskDelete(
            container_id=request.container_id,
            pid=process.pid,
            exit_status=process.exit_status,
            exited_at=process.exited_at,
        )
        self._backend.bus.publish(call.namespace, "/tasks/delete", deleted)
        return pb.DeleteResponse(pid=process.pid, exit_status=process.exit_status, exited_at=process.exited_at)

    async def delete_process(self, request: pb.DeleteProcessRequest, call: Call) -> pb.DeleteResponse:
        """Remove an ended or never started exec process."""
        task, process = self._find(request.container_id, request.exec_id, call)
        if process.status == task_types.RUNNING:
            raise self._failure("cannot delete a running process")
        process.close_output()
        task.execs.pop(request.exec_id, None)
        return pb.DeleteResponse(
            id=request.exec_id, pid=process.pid, exit_status=process.exit_status, exited_at=process.exited_at
        )

    async def get(self, request: pb.GetRequest, call: Call) -> pb.GetResponse:
        """Return the state of a process."""
        task, process = self._find(request.container_id, request.exec_id, call)
        return pb.GetResponse(process=_described(task, process))

    async def list(self, request: pb.ListTasksRequest, call: Call) -> pb.ListTasksResponse:
        """Return all tasks; containerd ignores the filter."""
        del request
        tasks = self._backend.state[call.required_namespace()].tasks.values()
        return pb.ListTasksResponse(tasks=[_described(task, task.init) for task in tasks])

    async def kill(self, request: pb.KillRequest, call: Call) -> Empty:
        """Send a signal."""
        task, process = self._find(request.container_id, request.exec_id, call)
        if request.exec_id and not process.pid:
            raise bare(grpc.StatusCode.FAILED_PRECONDITION, "process not created: failed precondition")
        if process.status == task_types.STOPPED and request.all and not request.exec_id:
            # runc sends a signal for all to whatever is left in the cgroup, and has nothing against an empty one.
            return Empty()
        if process.status == task_types.STOPPED:
            raise not_found("process already finished")
        if request.all and not request.exec_id:
            for one in task.execs.values():
                if one.status == task_types.RUNNING:
                    self._processes.signal(call.namespace, one, request.signal)
        self._processes.signal(call.namespace, process, request.signal)
        return Empty()

    async def exec(self, request: pb.ExecProcessRequest, call: Call) -> Empty:
        """Add a process to a container."""
        if not request.exec_id:
            raise bare(grpc.StatusCode.INVALID_ARGUMENT, "exec id cannot be empty")
        task, init = self._find(request.container_id, "", call)
        try:
            validate_identifier(request.exec_id)
        except Refusal as refusal:
            raise Refusal(refusal.code, f"invalid exec id {request.exec_id}: {refusal.text}") from None
        if request.exec_id in task.execs:
            raise already_exists(f"id {request.exec_id}")
        state = task.status_of(init)
        if state in (task_types.STOPPED, task_types.PAUSED):
            raise self._failure(f"cannot exec in a {_STATE_NAMES[state]} state")
        process = Process(
            request.container_id,
            request.exec_id,
            Program(),
            request.stdin,
            request.stdout,
            request.stderr,
            request.terminal,
        )
        self._processes.choose_program(process, request.spec.value, is_exec=True)
        task.execs[request.exec_id] = process
        added = events_pb2.TaskExecAdded(container_id=request.container_id, exec_id=request.exec_id)
        self._backend.bus.publish(call.namespace, "/tasks/exec-added", added)
        return Empty()

    async def resize_pty(self, request: pb.ResizePtyRequest, call: Call) -> Empty:
        """Accept a size."""
        _, process = self._find(request.container_id, request.exec_id, call)
        if request.exec_id and process.status == task_types.STOPPED:
            raise self._failure("cannot resize a stopped container")
        return Empty()

    async def close_io(self, request: pb.CloseIORequest, call: Call) -> Empty:
        """Accept the end of stdin."""
        self._find(request.container_id, request.exec_id, call)
        return Empty()

    async def pause(self, request: pb.PauseTaskRequest, call: Call) -> Empty:
        """Freeze a task."""
        task, init = self._find(request.container_id, "", call)
        state = task.status_of(init)
        if state != task_types.RUNNING:
            kind = "task in created state" if state == task_types.CREATED else f"{_STATE_NAMES[state]} container"
            raise self._failure(f"cannot pause {kind}" if state == task_types.CREATED else f"cannot pause a {kind}")
        task.status = task_types.PAUSED
        self._backend.bus.publish(
            call.namespace, "/tasks/paused", events_pb2.TaskPaused(container_id=request.container_id)
        )
        return Empty()

    async def resume(self, request: pb.ResumeTaskRequest, call: Call) -> Empty:
        """Thaw a task."""
        task, init = self._find(request.container_id, "", call)
        state = task.status_of(init)
        if state != task_types.PAUSED:
            text = {
                task_types.CREATED: "cannot resume task in created state",
                task_types.RUNNING: "cannot resume a running process",
            }.get(state, "cannot resume a stopped container")
            raise self._failure(text)
        task.status = task_types.UNKNOWN
        self._backend.bus.publish(
            call.namespace, "/tasks/resumed", events_pb2.TaskResumed(container_id=request.container_id)
        )
        return Empty()

    async def list_pids(self, request: pb.ListPidsRequest, call: Call) -> pb.ListPidsResponse:
        """Return the pids of what runs."""
        task, _ = self._find(request.container_id, "", call)
        living = [one for one in reversed(list(task.processes())) if one.pid and one.status != task_types.STOPPED]
        return pb.ListPidsResponse(processes=[_pid_info(one) for one in living])

    async def checkpoint(self, request: pb.CheckpointTaskRequest, call: Call) -> pb.CheckpointTaskResponse:
        """Remember the options; nothing is written."""
        task, init = self._find(request.container_id, "", call)
        state = task.status_of(init)
        if state == task_types.CREATED:
            raise self._failure("cannot checkpoint a task in created state")
        if state == task_types.STOPPED:
            raise self._failure("cannot checkpoint a stopped container")
        task.checkpoints.append(request.options)
        return pb.CheckpointTaskResponse()

    async def update(self, request: pb.UpdateTaskRequest, call: Call) -> Empty:
        """Remember new limits."""
        task, init = self._find(request.container_id, "", call)
        if init.status == task_types.STOPPED:
            raise self._failure("cannot update a stopped container")
        task.resources.append(request.resources)
        return Empty()

    async def metrics_(self, request: pb.MetricsRequest, call: Call) -> pb.MetricsResponse:
        """Return usage of the tasks that pass the filters."""
        try:
            filters = Filters(request.filters)
        except Refusal as refusal:
            raise bare(grpc.StatusCode.UNKNOWN, refusal.text) from None
        tasks = self._backend.state[call.required_namespace()].tasks
        measured = (
            types_pb2.Metric(timestamp=now(), id=name, data=self.metrics.get(name) or _small_usage()) for name in tasks
        )
        return pb.MetricsResponse(metrics=filters.select(measured, _metric_field))

    async def wait(self, request: pb.WaitRequest, call: Call) -> pb.WaitResponse:
        """Answer when a process has ended."""
        task, process = self._find(request.container_id, request.exec_id, call)
        await self._backend.until_gone(_first(process.ended.wait(), task.shim_gone.wait()))
        if not process.ended.is_set():
            raise self._failure(SHIM_GONE)
        return pb.WaitResponse(exit_status=process.exit_status, exited_at=process.exited_at)

    def _find(self, container_id: str, exec_id: str, call: Call) -> tuple[Task, Process]:
        space = self._backend.state[call.required_namespace()]
        if container_id not in space.containers:
            raise self._no_container(container_id, call)
        task = space.tasks.get(container_id)
        if task is None:
            raise bare(grpc.StatusCode.NOT_FOUND, f"task {container_id} not found")
        if not exec_id:
            return task, task.init
        if exec_id not in task.execs:
            raise not_found(f"process does not exist {exec_id}")
        return task, task.execs[exec_id]

    def _failure(self, text: str) -> Refusal:
        """Return an error without a kind, as shims make them; before 2.0 containerd adds the word for that."""
        return unknown(text) if self._backend.version < (2, 0) else bare(grpc.StatusCode.UNKNOWN, text)

    def _no_container(self, container_id: str, call: Call) -> Refusal:
        return not_found(f'container "{container_id}" in namespace "{call.namespace}"')


async def _first(*waits: Awaitable[object]) -> None:
    pending = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in pending:
            one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*pending, return_exceptions=True)


def _described(task: Task, process: Process) -> task_types.Process:
    return task_types.Process(
        id=process.id,
        pid=process.pid,
        status=task.status_of(process),
        stdin=process.stdin,
        stdout=process.stdout,
        stderr=process.stderr,
        terminal=process.terminal,
        exit_status=process.exit_status,
        exited_at=process.exited_at,
    )


def _pid_info(process: Process) -> task_types.ProcessInfo:
    if not process.exec_id:
        return task_types.ProcessInfo(pid=process.pid)
    # ProcessDetails of the runc shim has one field, the exec id.
    name = process.exec_id.encode()
    details = Any(type_url="containerd.runc.v1.ProcessDetails", value=bytes([10, len(name)]) + name)
    return task_types.ProcessInfo(pid=process.pid, info=details)


def _metric_field(metric: types_pb2.Metric, path: Sequence[str]) -> tuple[str, bool]:
    return (metric.id, True) if path[0] == "id" else ("", False)


def _small_usage() -> Any:
    usage = cgroups_pb2.Metrics()
    usage.memory.usage.usage = 4096
    usage.memory.usage.limit = (1 << 63) - 4096
    usage.pids.current = 1
    usage.cpu.usage.total = 1_000_000
    return Any(type_url="io.containerd.cgroups.v1.Metrics", value=usage.SerializeToString())
