"""Mount options and the order of mount calls, without root."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.kernel import RecordingKernel, mounts
from cri_shim.kernel.mounts import (
    Mount,
    UnsupportedMountError,
    mount_all,
    mount_one,
    mounted_read_only,
    parse_options,
    read_only,
)


def test_words_become_flags_propagation_and_data() -> None:
    """Known words become flags, propagation stays apart, the rest is data in its order."""
    parsed = parse_options(["rbind", "nosuid", "ro", "rshared", "size=64m", "mode=1777"])
    assert parsed.flags == mounts.MS_BIND | mounts.MS_REC | mounts.MS_NOSUID | mounts.MS_RDONLY
    assert parsed.propagation == mounts.MS_SHARED | mounts.MS_REC
    assert parsed.data == ("size=64m", "mode=1777")


def test_later_words_override_earlier_ones() -> None:
    """`ro,rw` is writable, `noexec,exec` executable, and the last propagation counts."""
    parsed = parse_options(["ro", "noexec", "private", "rw", "exec", "rslave"])
    assert parsed.flags == 0
    assert parsed.propagation == mounts.MS_SLAVE | mounts.MS_REC


@pytest.mark.parametrize("option", ["loop=/dev/loop3", "uidmap=0:1:2", "gidmap=0:1:2", "X-containerd.mkdir.path=/x"])
def test_options_beyond_mount2_are_refused(option: str) -> None:
    """What needs more than mount(2) raises and is named."""
    with pytest.raises(ValueError, match=option.split("=", maxsplit=1)[0]):
        parse_options([option])


def test_a_file_system_in_a_file_is_mounted_as_a_device() -> None:
    """blockfile's snapshots: the option is for us and not for the kernel; a read-only mount gets a read-only device."""
    kernel = RecordingKernel()
    mount_one(kernel, Mount("ext4", "/snapshots/1", ("ro", "loop", "noload")), "/mnt")
    assert kernel.calls == [
        ("loop_device", ("/snapshots/1", True)),
        ("mount", ("/dev/loop0", "/mnt", "ext4", mounts.MS_RDONLY, "noload", "")),
    ]


def test_erofs_needs_no_device_where_the_kernel_mounts_files() -> None:
    """Older kernels answer ENOTBLK, and then there is a device."""
    kernel = RecordingKernel()
    layer = Mount("erofs", "/layer.erofs", ("ro", "loop"))
    mount_one(kernel, layer, "/mnt")
    assert kernel.names() == ["mount"]

    class OldKernel(RecordingKernel):
        def mount(self, source: str, target: str, fstype: str, flags: int, data: str, *, chdir: str = "") -> None:
            super().mount(source, target, fstype, flags, data, chdir=chdir)
            if not source.startswith("/dev/"):
                raise OSError(errno.ENOTBLK, "Block device required")

    old = OldKernel()
    mount_one(old, layer, "/mnt")
    assert old.names() == ["mount", "loop_device", "mount"]


def test_mounts_that_containerd_makes_ready_are_refused() -> None:
    """Types of containerd 2.2 and later that stand for several steps."""
    with pytest.raises(UnsupportedMountError, match="mount type 'format/overlay' is not supported"):
        mount_one(RecordingKernel(), Mount("format/overlay", "overlay"), "/mnt")


@given(st.lists(st.text(alphabet="abcdefghijklmnopqrstuvwxyz=0123456789", min_size=1), max_size=8))
def test_every_option_is_used_or_refused(options: list[str]) -> None:
    """No word gets lost: each is in the data or known to be a flag."""
    known = {*mounts._SET, *mounts._CLEAR, *mounts._PROPAGATION, "loop"}
    try:
        parsed = parse_options(options)
    except ValueError:
        return
    assert list(parsed.data) == [option for option in options if option not in known]


def test_read_only_bind_takes_a_remount_and_propagation_a_third_call() -> None:
    """A bind mount becomes read-only by a remount only, and propagation changes alone."""
    kernel = RecordingKernel()
    mount_one(kernel, Mount("bind", "/a", ("rbind", "ro", "rslave")), "/b")
    assert [(call.args[0], call.args[3]) for call in kernel.calls] == [
        ("/a", mounts.MS_BIND | mounts.MS_REC | mounts.MS_RDONLY),
        ("", mounts.MS_BIND | mounts.MS_RDONLY | mounts.MS_REMOUNT),
        ("", mounts.MS_SLAVE | mounts.MS_REC),
    ]


def test_plain_bind_takes_one_call() -> None:
    """A bind mount without further flags needs no remount."""
    kernel = RecordingKernel()
    mount_one(kernel, Mount("bind", "/a", ("rbind", "rw")), "/b")
    assert kernel.names() == ["mount"]


def test_second_mount_failing_undoes_the_first() -> None:
    """After a failure nothing stays mounted."""

    class FakeFailingKernel(RecordingKernel):
        def mount(self, source: str, *args: object, **kwargs: object) -> None:
            if source == "bad":
                raise OSError(errno.ENODEV, "no such device", "/t/sub")
            super().mount(source, *args, **kwargs)  # type: ignore[arg-type]

    kernel = FakeFailingKernel()
    with pytest.raises(OSError, match="no such device"):
        mount_all(kernel, [Mount("tmpfs", "good"), Mount("x", "bad", target="sub")], "/t")
    assert kernel.mounts == []


def test_sub_target_cannot_leave_its_root() -> None:
    """A `..` in a mount's own target is refused before any call."""
    kernel = RecordingKernel()
    with pytest.raises(ValueError, match="leads out"):
        mount_one(kernel, Mount("bind", "/a", ("bind",), target="x/../../etc"), "/t")
    assert kernel.calls == []


def test_overlay_view_keeps_the_upper_layer_on_top() -> None:
    """A read-only overlay drops upperdir and workdir, and sees the upper layer first."""
    [view] = read_only([Mount("overlay", "overlay", ("index=off", "workdir=/w", "upperdir=/u", "lowerdir=/a:/b"))])
    assert view.options == ("index=off", "lowerdir=/u:/a:/b", "ro")


def test_overlay_view_of_one_layer_is_a_bind_mount() -> None:
    """overlayfs refuses a single lower layer; the view binds it instead."""
    [view] = read_only([Mount("overlay", "overlay", ("lowerdir=/a",))])
    assert view == Mount("bind", "/a", ("rbind", "ro"))


def test_other_views_say_ro_once() -> None:
    """`rw` and `ro` of a bind mount end as one `ro`."""
    [view] = read_only([Mount("bind", "/a", ("rbind", "rw", "ro"))])
    assert view.options == ("rbind", "ro")


def test_long_overlay_options_are_written_relative_to_their_directory() -> None:
    """127 layers do not fit into a page with full paths; relative ones do, and name the same directories."""
    layers = [f"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/{i}/fs" for i in range(127)]
    kernel = RecordingKernel()
    mount_one(kernel, Mount("overlay", "overlay", (f"lowerdir={':'.join(layers)}",)), "/t")
    *_, data, chdir = kernel.calls[0].args
    assert isinstance(data, str)
    assert isinstance(chdir, str)
    assert len(data) < mounts.PAGE
    assert [f"{chdir}/{word}" for word in data.removeprefix("lowerdir=").split(":")] == layers


def test_options_over_a_page_fail_clearly() -> None:
    """What cannot be shortened raises E2BIG and mounts nothing."""
    kernel = RecordingKernel()
    with pytest.raises(OSError, match="page") as caught:
        mount_one(kernel, Mount("tmpfs", "tmpfs", ("x" * 5000,)), "/t")
    assert caught.value.errno == errno.E2BIG
    assert kernel.calls == []


def test_temporary_mount_goes_away_with_an_error_inside() -> None:
    """The context manager unmounts when its body raises."""
    kernel = RecordingKernel()
    with (
        pytest.raises(KeyError),
        mounted_read_only(kernel, [Mount("bind", "/a", ("rbind",))], "/t"),
    ):
        assert kernel.mounts == ["/t"]
        raise KeyError
    assert kernel.mounts == []
