"""Lists that are kept are those that would be made now, whatever has changed and whatever is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.container_list import list_containers
from cri_shim.rpc.sandbox_list import list_pod_sandbox
from cri_shim.state.containers import Container, Status, exited, out_of_memory
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.service import Service

IDS = ("a" * 64, "ab" + "0" * 62, "b" * 64)
STATES = (None, 0, 1, 2, 3, 99, -1)
"""Those of both kinds, none, and two that do not exist; 0 is also what a state that is present but empty means."""
LABELS: tuple[dict[str, str], ...] = ({}, {"app": "x"}, {"app": "y", "tier": ""}, {"tier": ""})


def put_container(number: int, step: int) -> Container:
    metadata = cri.ContainerMetadata(name="c", attempt=step)
    config = cri.ContainerConfig(metadata=metadata, labels=LABELS[step % 4], annotations={"step": str(step)})
    started = step % 2
    return Container(
        IDS[number], "c", IDS[step % 3], config, Status(created_at=1, started_at=started), f"sha256:{step}"
    )


def put_sandbox(number: int, step: int) -> Sandbox:
    metadata = cri.PodSandboxMetadata(name="p", attempt=step)
    config = cri.PodSandboxConfig(metadata=metadata, labels=LABELS[step % 4], annotations={"step": str(step)})
    return Sandbox(IDS[number], "p", config, step + 1, pid=step % 2, cni_result={})


CONTAINER_CHANGES: tuple[Callable[[Container], Container], ...] = (
    lambda one: one,
    lambda one: one.with_status(started_at=2),
    exited(1, 3),
    out_of_memory,
    lambda one: one.replace(unknown_reason="undo failed"),
    lambda one: one.replace(unknown_reason=""),
    lambda one: one.replace(image_id=f"{one.image_id}+"),
    lambda one: one.replace(config=cri.ContainerConfig(metadata=one.config.metadata, labels={"app": "z"})),
    lambda one: one.replace(sandbox_id=IDS[2]),
)
SANDBOX_CHANGES: tuple[Callable[[Sandbox], Sandbox], ...] = (
    lambda one: one,
    lambda one: one.replace(pid=7),
    lambda one: one.replace(exited_at=9),
    lambda one: one.replace(exited_at=0, network_down=False, netns_gone=False),
    lambda one: one.replace(netns_gone=True),
    lambda one: one.replace(network_down=True),
    lambda one: one.replace(cni_result=None),
    lambda one: one.replace(start_error="runc failed"),
    lambda one: one.replace(unknown_reason="unreadable", recovered=True),
    lambda one: one.replace(unknown_reason="", start_error=""),
    lambda one: one.replace(runtime_handler="other"),
)

events = st.lists(
    st.tuples(st.sampled_from(("put", "update", "drop", "list")), st.integers(0, 2), st.integers(0, 20)), max_size=25
)
asked = st.lists(
    st.tuples(
        st.sampled_from(STATES),
        st.sampled_from(("", "a", "ab", IDS[0], "c")),
        st.sampled_from(("", "a", IDS[1], "c")),
        st.sampled_from(LABELS),
    ),
    min_size=1,
    max_size=5,
)


def with_state(wanted: Any, state: int | None) -> Any:
    """Set the state, also one that the enumeration does not have; 0 leaves the state's message empty."""
    if state is not None:
        wanted.state.SetInParent()
        wanted.state.state = state
    return wanted


def selected(value: Any, wanted: Any, pod: str = "") -> bool:
    """Say by the words of the CRI whether a filter selects a value."""
    return (
        value.id.startswith(wanted.id)
        and (not pod or value.sandbox_id.startswith(pod))
        and (not wanted.HasField("state") or value.state == wanted.state.state)
        and all(value.config.labels.get(key) == expected for key, expected in wanted.label_selector.items())
    )


class Followed:
    """An index with what must be in it, and the lists that a watcher has read while it changed."""

    def __init__(self, kind: str) -> None:
        self.index: Index[Any] = Index(kind)
        self.values: dict[str, Any] = {}
        self.index.watch(self._changed)

    def _changed(self, old: Any, new: Any) -> None:
        if new is None:
            del self.values[old.id]
        else:
            self.values[new.id] = new
        for state in STATES:
            self.check(state)

    def check(self, state: int | None) -> None:
        expected = [one.list_entry() for one in self.values.values() if state is None or one.state == state]
        assert self.index.list_response(state) == b"".join(expected)

    def apply(self, event: str, number: int, step: int, put: Any, changes: Any) -> None:
        id_ = IDS[number]
        if event == "put":
            self.index.put(put(number, step))
        elif event == "update":
            change = changes[step % len(changes)]

            def while_lists_are_read(value: Any) -> Any:
                self.index.list_response(value.state)  # what is kept now is of before the change
                return change(value)

            self.index.update(id_, while_lists_are_read)
        elif event == "drop":
            self.index.drop(id_)
        self.check(STATES[step % len(STATES)])


@given(events, asked)
async def test_lists_of_containers(changes, filters):
    """Starts, exits, kills, doubts, recoveries, removals: each list has what an unkept one has, in the same order."""
    followed = Followed("container")
    node = cast("Service", SimpleNamespace(containers=followed.index))
    for event, number, step in changes:
        followed.apply(event, number, step, put_container, CONTAINER_CHANGES)
        for state, id_, pod, labels in filters:
            wanted = cri.ContainerFilter(id=id_, pod_sandbox_id=pod, label_selector=labels)
            request = cri.ListContainersRequest(filter=with_state(wanted, state))
            answer = cri.ListContainersResponse.FromString(await list_containers(node, request))
            expected = [one.to_cri() for one in followed.values.values() if selected(one, wanted, pod)]
            assert list(answer.containers) == expected


@given(events, asked)
async def test_lists_of_pods(changes, filters):
    """The same of pods that are ready, lose their network, fail to start and cannot be read."""
    followed = Followed("sandbox")
    node = cast("Service", SimpleNamespace(sandboxes=followed.index))
    for event, number, step in changes:
        followed.apply(event, number, step, put_sandbox, SANDBOX_CHANGES)
        for state, id_, _, labels in filters:
            wanted = cri.PodSandboxFilter(id=id_, label_selector=labels)
            request = cri.ListPodSandboxRequest(filter=with_state(wanted, state))
            answer = cri.ListPodSandboxResponse.FromString(await list_pod_sandbox(node, request))
            assert list(answer.items) == [one.to_cri() for one in followed.values.values() if selected(one, wanted)]
