"""Who gets which SELinux label, and where the policy comes from."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InternalError, ResourceExhaustedError
from cri_shim.oci.security.selinux import Context
from cri_shim.sync.selinux_labels import SelinuxLabels, read_selinux_policy
from tests.unit.oci.security.test_selinux import CONTEXTS, POLICY

OPTION = cri.SELinuxOption


def labels(in_use=(), categories=1024):
    """Labels of a node with SELinux, where these labels are in use."""
    return SelinuxLabels(POLICY, "", lambda: in_use, categories)


def level(label):
    """The level of a label."""
    return Context.parse(label).level


def test_every_pod_has_its_own_level():
    """Of four categories there are six pairs; each pod gets another one while the pods before it are there."""
    in_use = [""]
    giver = labels(in_use, categories=4)
    for _ in range(6):
        in_use.append(giver.of_pod(OPTION()))  # noqa: PERF401 - each depends on those before
    assert len({Context.parse(label).level for label in in_use if label}) == 6
    with pytest.raises(ResourceExhaustedError, match="selinux_category_range"):
        giver.of_pod(OPTION())
    gone = in_use.pop(1)
    assert level(giver.of_pod(OPTION())) == Context.parse(gone).level


def test_pods_that_are_being_made_count():
    """Levels just given are not given again, though no pod shows them yet."""
    giver = labels(categories=40)
    given = [level(giver.of_pod(OPTION())) for _ in range(100)]
    assert len(set(given)) == 100


def test_a_container_is_labelled_like_its_pod_unless_it_asks():
    """Without a wish it shares the pod's label; with one it gets the policy's with that, and a level of its own."""
    giver = labels()
    pod = giver.of_pod(OPTION(level="s0:c4,c5"))
    assert level(pod) == "s0:c4,c5"
    assert giver.of_container(OPTION(), pod) == pod
    assert giver.of_files(pod) == "system_u:object_r:container_file_t:s0:c4,c5"
    other = giver.of_container(OPTION(type="spc_t"), pod)
    assert Context.parse(other).type == "spc_t"
    assert level(other) != "s0:c4,c5"
    assert giver.of_files("") == ""
    with pytest.raises(InternalError, match="nonsense"):
        giver.of_files("nonsense")


def test_switched_off():
    """With enable_selinux = false there are no labels, whatever is asked."""
    giver = SelinuxLabels(*read_selinux_policy(enabled=False, available=True), list)
    assert giver.of_pod(OPTION(type="spc_t")) == ""
    assert giver.of_container(OPTION(level="s0"), "u:r:t:s0") == ""
    assert giver.of_files("u:r:t:s0") == ""


def test_switched_on_where_the_kernel_has_none():
    """Who asks is refused with the reason and the way out; who does not is not labelled."""
    giver = SelinuxLabels(*read_selinux_policy(enabled=True, available=False), list)
    assert giver.of_pod(OPTION()) == ""
    assert giver.of_container(OPTION(), "u:r:t:s0") == ""
    for ask in (giver.of_pod, lambda options: giver.of_container(options, "")):
        with pytest.raises(FailedPreconditionError, match="no SELinux; set enable_selinux = false"):
            ask(OPTION(type="spc_t"))


def write(path, text):
    """Write a file with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_where_the_policy_is_found(tmp_path):
    """The containers' own file precedes that of the configured policy; without either, the reason says so."""
    policy, reason = read_selinux_policy(enabled=True, available=True, root=tmp_path)
    assert policy is None
    assert "/etc/selinux/config" in reason
    write(tmp_path / "etc/selinux/config", "# a comment\nSELINUX=enforcing\nSELINUXTYPE = mine\n")
    write(tmp_path / "etc/selinux/mine/contexts/lxc_contexts", CONTEXTS)
    assert read_selinux_policy(enabled=True, available=True, root=tmp_path) == (POLICY, "")
    write(tmp_path / "usr/share/containers/selinux/contexts", "process = nothing")
    assert "process" in read_selinux_policy(enabled=True, available=True, root=tmp_path)[1]
