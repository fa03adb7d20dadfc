"""The id mapping of a pod: what is taken, what is refused, and the arithmetic."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.id_map import IdRange, id_map


def options(host=100_000, inside=0, length=65_536, **modes):
    """The namespaces of a pod with one range for users and the same for groups."""
    line = cri.IDMapping(host_id=host, container_id=inside, length=length)
    userns = cri.UserNamespace(mode=cri.POD, uids=[line], gids=[line])
    return cri.NamespaceOption(userns_options=userns, **modes)


def test_no_mapping():
    """Without user namespace options, or with mode NODE, ids are the node's."""
    assert id_map(cri.NamespaceOption()) is None
    assert id_map(cri.NamespaceOption(userns_options=cri.UserNamespace(mode=cri.NODE))) is None


def test_a_mapping():
    """The ranges are read, and have the form that the runtime spec and the kernel want."""
    mapping = id_map(options())
    assert mapping is not None
    assert mapping.uids == mapping.gids == IdRange(0, 100_000, 65_536)
    assert mapping.uids.line() == (0, 100_000, 65_536)
    assert mapping.uid_entries == ({"containerID": 0, "hostID": 100_000, "size": 65_536},)


@pytest.mark.parametrize(("inside", "outside"), [(0, 100_000), (65_535, 165_535), (65_536, None), (-1, None)])
def test_ids_on_the_node(inside, outside):
    """Ids in the range move by the same distance, others are not mapped."""
    mapping = id_map(options())
    assert mapping is not None
    assert mapping.uids.on_node(inside) == outside


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (options(inside=1), "leaves out id 0"),
        (options(host=2**32 - 10, length=20), "goes beyond"),
        (options(length=0), "length 0"),
        (options(pid=cri.NODE), "pid namespace"),
        (options(ipc=cri.NODE), "ipc namespace"),
    ],
)
def test_what_is_refused(wrong, word):
    """A pod that could not work is refused in a sentence that says what is wrong."""
    with pytest.raises(InvalidArgumentError, match=word):
        id_map(wrong)


def test_the_last_id():
    """A range may end at the last id there is."""
    mapping = id_map(options(host=2**32 - 11, length=10))
    assert mapping is not None
    assert mapping.uids.on_node(9) == 2**32 - 2
