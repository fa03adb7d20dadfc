"""What happens to a call whose first attempt fails, method by method class, against a server that fails on cue."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from containerd_client import (
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    Unavailable,
)
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.leases.v1 import leases_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2
from containerd_client.api.containerd.services.version.v1 import version_pb2
from containerd_client.api.containerd.types import types_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from tests.unit.waiting import until

AWAY = grpc.StatusCode.UNAVAILABLE
ABSENT = grpc.StatusCode.NOT_FOUND
TAKEN = grpc.StatusCode.ALREADY_EXISTS
VERSION = "containerd.services.version.v1.Version/Version"
CONTAINERS = "containerd.services.containers.v1.Containers"
TASKS = "containerd.services.tasks.v1.Tasks"
IMAGES = "containerd.services.images.v1.Images"
SNAPSHOTS = "containerd.services.snapshots.v1.Snapshots"
LEASES = "containerd.services.leases.v1.Leases"


def process(status: task_types.Status.ValueType, pid: int = 7, stdout: str = "") -> tasks_pb2.GetResponse:
    return tasks_pb2.GetResponse(process=task_types.Process(id="a", pid=pid, status=status, stdout=stdout))


async def test_a_read_is_repeated_and_counted(client, fake, hops):
    """Two refusals, then the answer: one hop with three attempts."""
    fake.script[VERSION] = [AWAY, grpc.StatusCode.ABORTED, version_pb2.VersionResponse(version="1.6")]
    assert (await client.version.get()).version == "1.6"
    assert [(hop.attempts, hop.code) for hop in hops] == [(3, "OK")]


async def test_other_errors_are_not_repeated(client, fake, hops):
    """Only Unavailable and Aborted may pass by themselves."""
    fake.script[f"{CONTAINERS}/Get"] = [grpc.StatusCode.UNKNOWN]
    with pytest.raises(Exception, match="scripted UNKNOWN"):
        await client.containers.get("a")
    assert hops[0].attempts == 1


async def test_a_locked_ref_is_passed_up_at_once(client, fake, hops):
    """Unavailable in containerd's other meaning is for the caller to judge."""
    status = "containerd.services.content.v1.Content/Status"
    fake.script[status] = [(AWAY, "ref x locked for 1s: unavailable")]
    with pytest.raises(Unavailable, match="locked for"):
        await client.content.status("x")
    assert hops[0].attempts == 1


async def test_a_repeated_delete_takes_not_found_as_success(client, fake):
    """The attempt before it did the work."""
    fake.script[f"{CONTAINERS}/Delete"] = [AWAY, ABSENT]
    await client.containers.delete("a")


async def test_a_first_delete_does_not(client, fake):
    """Nothing of ours can have removed it."""
    fake.script[f"{CONTAINERS}/Delete"] = [ABSENT]
    with pytest.raises(NotFound):
        await client.containers.delete("a")


async def test_a_repeated_task_delete_invents_no_exit_code(client, fake):
    """Its answer is the exit code, which NotFound does not have."""
    fake.script[f"{TASKS}/Delete"] = [AWAY, ABSENT]
    with pytest.raises(NotFound):
        await client.tasks.delete("a")


async def test_create_finds_what_its_lost_attempt_made(client, fake):
    """After Unavailable the client looks, finds its own record, and does not create again."""
    ours = containers_pb2.Container(id="a", labels={"k": "v"})
    stored = containers_pb2.Container(id="a", labels={"k": "v"})
    stored.created_at.GetCurrentTime()
    fake.script[f"{CONTAINERS}/Create"] = [AWAY]
    fake.script[f"{CONTAINERS}/Get"] = [containers_pb2.GetContainerResponse(container=stored)]
    assert (await client.containers.create(ours)).created_at == stored.created_at
    assert fake.calls(f"{CONTAINERS}/Create") == 1


async def test_create_does_not_take_the_record_of_another_for_its_own(client, fake):
    """Another record under our id is AlreadyExists, as it would have been at once."""
    other = containers_pb2.Container(id="a", labels={"k": "other"})
    fake.script[f"{CONTAINERS}/Create"] = [AWAY, TAKEN]
    fake.script[f"{CONTAINERS}/Get"] = [containers_pb2.GetContainerResponse(container=other)]
    with pytest.raises(AlreadyExists):
        await client.containers.create(containers_pb2.Container(id="a", labels={"k": "v"}))


async def test_create_repeats_when_nothing_is_found(client, fake):
    """The first attempt did not take effect: do it again."""
    container = containers_pb2.Container(id="a")
    fake.script[f"{CONTAINERS}/Create"] = [AWAY, containers_pb2.CreateContainerResponse(container=container)]
    fake.script[f"{CONTAINERS}/Get"] = [ABSENT]
    assert (await client.containers.create(container)).id == "a"
    assert fake.calls(f"{CONTAINERS}/Create") == 2


async def test_create_that_lands_between_check_and_repeat(client, fake):
    """AlreadyExists on the repeat is looked at once more."""
    ours = containers_pb2.Container(id="a")
    fake.script[f"{CONTAINERS}/Create"] = [AWAY, TAKEN]
    fake.script[f"{CONTAINERS}/Get"] = [ABSENT, containers_pb2.GetContainerResponse(container=ours)]
    assert (await client.containers.create(ours)).id == "a"


async def test_a_first_already_exists_is_an_error(client, fake):
    """Without a lost attempt before it, it is not ours, even if it looks the same."""
    fake.script[f"{CONTAINERS}/Create"] = [TAKEN]
    with pytest.raises(AlreadyExists):
        await client.containers.create(containers_pb2.Container(id="a"))
    assert fake.calls(f"{CONTAINERS}/Get") == 0


async def test_prepare_answers_with_the_mounts_of_what_it_made(client, fake):
    """An active snapshot with our key and parent is ours."""
    mount = types_pb2.Mount(type="overlay", source="overlay")
    fake.script[f"{SNAPSHOTS}/Prepare"] = [AWAY]
    info = snapshots_pb2.Info(name="k", parent="p", kind=snapshots_pb2.ACTIVE)
    fake.script[f"{SNAPSHOTS}/Stat"] = [snapshots_pb2.StatSnapshotResponse(info=info)]
    fake.script[f"{SNAPSHOTS}/Mounts"] = [snapshots_pb2.MountsResponse(mounts=[mount])]
    assert await client.snapshots("overlayfs").prepare("k", "p") == [mount]


async def test_prepare_with_another_parent_is_not_ours(client, fake):
    """The same key on another parent would give the container another root file system."""
    info = snapshots_pb2.Info(name="k", parent="other", kind=snapshots_pb2.ACTIVE)
    fake.script[f"{SNAPSHOTS}/Prepare"] = [AWAY, TAKEN]
    fake.script[f"{SNAPSHOTS}/Stat"] = [snapshots_pb2.StatSnapshotResponse(info=info)]
    with pytest.raises(AlreadyExists):
        await client.snapshots("overlayfs").prepare("k", "p")


async def test_commit_that_happened_is_success(client, fake):
    """The active snapshot is gone and the committed one is there."""
    info = snapshots_pb2.Info(name="n", kind=snapshots_pb2.COMMITTED)
    fake.script[f"{SNAPSHOTS}/Commit"] = [AWAY]
    fake.script[f"{SNAPSHOTS}/Stat"] = [ABSENT, snapshots_pb2.StatSnapshotResponse(info=info)]
    await client.snapshots("overlayfs").commit("n", "k")
    assert fake.calls(f"{SNAPSHOTS}/Commit") == 1


@pytest.mark.parametrize("status", [task_types.RUNNING, task_types.STOPPED])
async def test_start_that_happened_is_success(client, fake, status):
    """A process that runs, or has run, was started."""
    fake.script[f"{TASKS}/Start"] = [AWAY]
    fake.script[f"{TASKS}/Get"] = [process(status)]
    assert await client.tasks.start("a") == 7
    assert fake.calls(f"{TASKS}/Start") == 1


async def test_start_that_did_not_happen_is_repeated(client, fake):
    """A created process still waits."""
    fake.script[f"{TASKS}/Start"] = [AWAY, tasks_pb2.StartResponse(pid=9)]
    fake.script[f"{TASKS}/Get"] = [process(task_types.CREATED)]
    assert await client.tasks.start("a") == 9


async def test_task_create_and_exec_recognise_their_own_by_the_fifos(client, fake):
    """The path of stdout is the creator's own."""
    fake.script[f"{TASKS}/Create"] = [AWAY]
    fake.script[f"{TASKS}/Exec"] = [AWAY]
    fake.script[f"{TASKS}/Get"] = [process(task_types.CREATED, stdout="/f")]
    assert await client.tasks.create("a", stdout="/f") == 7
    await client.tasks.exec("a", "e", spec=None, stdout="/f")
    assert (fake.calls(f"{TASKS}/Create"), fake.calls(f"{TASKS}/Exec")) == (1, 1)


async def test_a_create_whose_traces_are_still_being_cleared_away_is_repeated(client, fake, hops):
    """The lost attempt left something that is no task: AlreadyExists, which passes, is no answer."""
    fake.script[f"{TASKS}/Create"] = [AWAY, TAKEN, TAKEN, tasks_pb2.CreateTaskResponse(pid=7)]
    fake.script[f"{TASKS}/Get"] = [ABSENT]
    assert await client.tasks.create("a", stdout="/f") == 7
    assert next(hop for hop in hops if hop.method == f"{TASKS}/Create").attempts == 4


async def test_traces_that_stay_are_an_error(client, fake):
    """What does not pass within the budget is AlreadyExists in the end."""
    fake.script[f"{TASKS}/Create"] = [AWAY, TAKEN]
    fake.script[f"{TASKS}/Get"] = [ABSENT]
    with pytest.raises(AlreadyExists):
        await client.tasks.create("a", stdout="/f")
    assert fake.calls(f"{TASKS}/Create") > 3


async def test_a_task_that_was_there_before_is_an_error_at_once(client, fake):
    """Without a lost attempt of ours nothing explains AlreadyExists."""
    fake.script[f"{TASKS}/Create"] = [TAKEN]
    with pytest.raises(AlreadyExists):
        await client.tasks.create("a", stdout="/f")
    assert fake.calls(f"{TASKS}/Create") == 1


async def test_pause_and_resume_check_the_state(client, fake):
    """A second pause would be FailedPrecondition."""
    fake.script[f"{TASKS}/Pause"] = [AWAY, grpc.StatusCode.FAILED_PRECONDITION]
    fake.script[f"{TASKS}/Resume"] = [AWAY, grpc.StatusCode.FAILED_PRECONDITION]
    fake.script[f"{TASKS}/Get"] = [process(task_types.PAUSED), process(task_types.PAUSED)]
    await client.tasks.pause("a")
    with pytest.raises(FailedPrecondition):
        await client.tasks.resume("a")


async def test_image_create_compares_target_and_labels(client, fake):
    """The same name for another digest is not ours."""
    ours = images_pb2.Image(name="i", target=types_pb2.Descriptor(digest="sha256:1"))
    other = images_pb2.Image(name="i", target=types_pb2.Descriptor(digest="sha256:2"))
    fake.script[f"{IMAGES}/Create"] = [AWAY, TAKEN]
    fake.script[f"{IMAGES}/Get"] = [images_pb2.GetImageResponse(image=other)]
    with pytest.raises(AlreadyExists):
        await client.images.create(ours)
    fake.script[f"{IMAGES}/Create"] = [AWAY]
    fake.script[f"{IMAGES}/Get"] = [images_pb2.GetImageResponse(image=ours)]
    assert await client.images.create(ours) == ours


async def test_lease_create_asks_for_the_id_it_chose(client, fake):
    """Two leases for one create would leave one behind for a day."""
    asked: list[str] = []

    async def listing(_request: bytes) -> leases_pb2.ListResponse:
        asked.extend(leases_pb2.CreateRequest.FromString(raw).id for raw in fake.requests[f"{LEASES}/Create"])
        return leases_pb2.ListResponse(leases=[leases_pb2.Lease(id=asked[0])])

    fake.script[f"{LEASES}/Create"] = [AWAY]
    fake.script[f"{LEASES}/List"] = [listing]
    assert (await client.leases.create()).id == asked[0]


async def test_a_cancelled_hold_drops_the_lease_that_it_may_have_made(client, fake):
    """Cancelled while the answer was under way: the lease is deleted by its known id."""

    async def slow(_request: bytes) -> leases_pb2.CreateResponse:
        await asyncio.sleep(60)
        return leases_pb2.CreateResponse()

    async def hold() -> None:
        async with client.leases.hold():
            pass

    fake.script[f"{LEASES}/Create"] = [slow]
    fake.script[f"{LEASES}/Delete"] = [Empty()]
    task = asyncio.create_task(hold())
    await until(lambda: fake.calls(f"{LEASES}/Create"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (made,) = fake.requests[f"{LEASES}/Create"]
    (dropped,) = fake.requests[f"{LEASES}/Delete"]
    assert leases_pb2.CreateRequest.FromString(made).id == leases_pb2.DeleteRequest.FromString(dropped).id


async def noticed(client):
    """Wait until the client knows that its connection is gone; before that a call may have been sent."""
    async with asyncio.timeout(30):
        while True:
            with pytest.raises(Unavailable) as failure:
                await client.version.get()
            if failure.value.never_sent:
                return


async def test_a_never_class_call_is_repeated_only_when_it_was_not_sent(client, fake, hops):
    """A layer is not applied twice; but nothing speaks against sending it later for the first time."""
    apply = "containerd.services.diff.v1.Diff/Apply"
    fake.script[apply] = [AWAY]
    with pytest.raises(Unavailable):
        await client.diff.apply(types_pb2.Descriptor(), [])
    assert hops[-1].attempts == 1
    await fake.stop()
    await noticed(client)
    with pytest.raises(Unavailable):
        await client.diff.apply(types_pb2.Descriptor(), [])
    assert hops[-1].attempts > 1


async def test_a_gathered_stream_starts_over(client, fake, hops):
    """A list is whole or an error, never a part."""
    listing = f"{SNAPSHOTS}/List"
    fake.streaming.add(listing)
    fake.script[listing] = [AWAY, snapshots_pb2.ListSnapshotsResponse(info=[snapshots_pb2.Info(name="a")])]
    assert [info.name for info in await client.snapshots("x").list()] == ["a"]
    assert hops[-1].attempts == 2


async def test_listing_containers_falls_back_where_there_is_no_stream(client, fake):
    """A server without ListStream is asked with List."""
    fake.streaming.add(f"{CONTAINERS}/ListStream")
    fake.script[f"{CONTAINERS}/List"] = [
        containers_pb2.ListContainersResponse(containers=[containers_pb2.Container(id="a")])
    ]
    assert [container.id for container in await client.containers.list()] == ["a"]


async def test_a_lease_that_could_not_be_dropped_is_dropped_later(client, fake):
    """containerd went away under a pull: what the lease holds would else lie on the disk for a day."""
    made, dropped = [], []

    async def make(request: bytes) -> leases_pb2.CreateResponse:
        made.append(leases_pb2.CreateRequest.FromString(request).id)
        return leases_pb2.CreateResponse(lease=leases_pb2.Lease(id=made[-1]))

    async def drop(request: bytes) -> Empty:
        dropped.append(leases_pb2.DeleteRequest.FromString(request).id)
        return Empty()

    fake.script[f"{LEASES}/Create"] = [make]
    fake.script[f"{LEASES}/Delete"] = [grpc.StatusCode.UNKNOWN]
    async with client.leases.hold():
        pass
    async with client.leases.hold():
        pass
    fake.script[f"{LEASES}/Delete"] = [drop]
    async with client.leases.hold():
        pass
    assert set(dropped) == set(made)
    assert len(dropped) == 3

    fake.script[f"{LEASES}/Delete"] = [grpc.StatusCode.UNKNOWN]
    async with client.leases.hold():
        pass
    fake.script[f"{LEASES}/Delete"] = [ABSENT, drop]
    await client.leases.drop_left()
    await client.leases.drop_left()
    assert len(dropped) == 3
