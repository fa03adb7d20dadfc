"""One pass over cgroups, which the sampler runs in a thread; the cgroup version is chosen once."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.kernel.cgroups import Hierarchies
from cri_shim.stats import cgroup_v1, cgroup_v2, processes
from cri_shim.stats.values import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.kernel import Kernel
    from cri_shim.kernel.cgroups import Cgroup
    from cri_shim.stats.values import Details, Interface, Processes


class Subject(Struct, frozen=True):
    """A container or pod to be measured: its id and its first process.

    With ``pod`` the cgroup around its own is measured (a sandbox whose pod has a cgroup). With ``network`` its
    interfaces are read, too. A pod without a process (``pid`` 0) is found by the cgroup that the kubelet named as its
    parent, and its interfaces by the file of its network namespace.
    """

    id: str
    pid: int
    pod: bool = False
    network: bool = False
    cgroup_parent: str = ""
    netns: str = ""


class Readout(Struct, frozen=True):
    """What one pass found of one subject; the caller passes ``own``, its own cgroup, to the next pass."""

    own: Cgroup | None = None
    usage: Usage | None = None
    processes: int | None = None
    interfaces: tuple[Interface, ...] = ()


class Reader:
    """Reads cgroups of either version.

    Every method blocks.
    """

    def __init__(
        self, kernel: Kernel, *, unified: bool, huge_page_sizes: Iterable[str] = (), proc: str = "/proc"
    ) -> None:
        self._kernel = kernel
        self._version = cgroup_v2 if unified else cgroup_v1
        self._hierarchies = Hierarchies.read(unified=unified, proc=proc)
        self._huge_page_sizes = tuple(huge_page_sizes)
        self._proc = proc

    def usages(self, wanted: Sequence[tuple[Subject, Cgroup | None]], *, count: bool) -> list[Readout]:
        """Measure all subjects, and with ``count`` count the processes of containers.

        A subject that is gone gives an empty value.
        """
        return [self._usage(subject, own, count=count) for subject, own in wanted]

    def _usage(self, subject: Subject, known: Cgroup | None, *, count: bool) -> Readout:
        own = known or self._own(subject)
        usage = None if own is None else self._version.usage(measured(subject, own))
        if own is None or usage is None:
            # A pod without a process has a network even before there is a cgroup for it.
            now = Usage(time.time_ns(), time.monotonic_ns())
            return Readout(usage=now, interfaces=self._network(subject)) if subject.netns else Readout()
        return Readout(
            own,
            usage,
            processes.count(self._version.process_directory(own)) if count and not subject.pod else None,
            self._network(subject) if subject.network else (),
        )

    def _own(self, subject: Subject) -> Cgroup | None:
        if subject.pid:
            return self._hierarchies.find(subject.pid, subject.id)
        return self._hierarchies.in_parent(subject.cgroup_parent, subject.id) if subject.cgroup_parent else None

    def _network(self, subject: Subject) -> tuple[Interface, ...]:
        if not subject.netns:
            return processes.network(subject.pid, self._proc)
        with contextlib.suppress(OSError):  # the pod was stopped meanwhile
            return self._kernel.run_in_network_namespace(subject.netns, processes.network_of_thread)
        return ()

    def cpu_times(self, wanted: Sequence[tuple[Subject, Cgroup | None]]) -> list[tuple[Cgroup | None, int | None]]:
        """Return only the CPU counters, as the base of a later rate."""
        answers: list[tuple[Cgroup | None, int | None]] = []
        for subject, known in wanted:
            own = known or self._own(subject)
            cpu_ns = None if own is None else self._version.cpu_time(measured(subject, own))
            answers.append((own if cpu_ns is not None else None, cpu_ns))
        return answers

    def details(self, wanted: Sequence[tuple[Subject, Cgroup | None]]) -> list[tuple[Details | None, Processes | None]]:
        """Return the values that only metrics need; the processes are those of a subject's own cgroup."""
        return [self._details(subject, own) for subject, own in wanted]

    def _details(self, subject: Subject, own: Cgroup | None) -> tuple[Details | None, Processes | None]:
        if own is None:
            return None, None
        details = self._version.details(measured(subject, own), self._huge_page_sizes)
        if subject.pod:
            return details, None
        return details, processes.opened(self._version.process_directory(own), subject.pid, self._proc)


def measured(subject: Subject, own: Cgroup) -> Cgroup:
    """Return the cgroup that stands for the subject."""
    return own.parent() if subject.pod else own
