"""What each failure of a pull is told to the kubelet as."""

from __future__ import annotations

import pytest

from containerd_client import errors as containerd
from containerd_client.distribution.values import errors
from cri_shim.errors import CriError
from cri_shim.images.pull_errors import as_cri_errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NotInRegistryError, "NOT_FOUND"),
        (errors.NoPlatformError, "NOT_FOUND"),
        (errors.StalledError, "DEADLINE_EXCEEDED"),
        (errors.UnauthorizedError, "FAILED_PRECONDITION"),
        (errors.HostsConfigError, "FAILED_PRECONDITION"),
        (errors.IncompleteImageError, "FAILED_PRECONDITION"),
        (errors.ManifestError, "FAILED_PRECONDITION"),
        (errors.NotAnImageError, "FAILED_PRECONDITION"),
        (errors.CorruptBlobError, "FAILED_PRECONDITION"),
        (errors.OtherLengthError, "FAILED_PRECONDITION"),
        (errors.DistributionError, "FAILED_PRECONDITION"),
        (errors.ProxyConfigError, "FAILED_PRECONDITION"),
        (errors.ExtractionError, "FAILED_PRECONDITION"),
    ],
)
def test_codes(kind, code):
    """Each kind has one code, and its text is kept."""
    with pytest.raises(CriError, match="because of this") as caught, as_cri_errors("pull image 'x'"):
        raise kind("because of this")
    assert caught.value.code.name == code
    assert str(caught.value) == "pull image 'x': because of this"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (errors.RegistryUnavailableError, "RegistryUnavailable"),
        (errors.TransferError, "RegistryUnavailable"),
        (errors.NotHttpError, "RegistryUnavailable"),
        (errors.RefusedByPolicyError, "SignatureValidationFailed"),
    ],
)
def test_words_that_the_kubelet_knows(kind, word):
    """They begin the text, and the code is the one that the kubelet's client strips."""
    with pytest.raises(CriError) as caught, as_cri_errors("pull image 'x'"):
        raise kind("because of this")
    assert caught.value.code.name == "UNKNOWN"
    assert str(caught.value) == f"{word}: pull image 'x': because of this"


def test_every_error_of_the_package_has_been_thought_of():
    """A new kind of error must be added to a table above."""
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert len(kinds) == 18


def test_what_is_no_reference_is_an_invalid_argument():
    """The text names the reference by itself."""
    with pytest.raises(CriError, match=r"^because of this$") as caught, as_cri_errors("pull image 'x'"):
        raise errors.InvalidReferenceError("because of this")
    assert caught.value.code.name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (containerd.Unknown("S/Apply", "something"), "UNKNOWN"),
        (containerd.Unknown("S/Write", "write /x/blob: no space left on device"), "RESOURCE_EXHAUSTED"),
        (containerd.Unknown("S/Write", "open /x/blob: read-only file system"), "FAILED_PRECONDITION"),
        (containerd.Unavailable("S/Write", "Socket closed"), "UNAVAILABLE"),
        (containerd.NotFound("S/Prepare", "parent snapshot x: not found"), "FAILED_PRECONDITION"),
        (containerd.AlreadyExists("S/Create", "image x: already exists"), "FAILED_PRECONDITION"),
        (containerd.InvalidArgument("S/Update", "label too long"), "FAILED_PRECONDITION"),
        (containerd.DeadlineExceeded("S/Info", "too late"), "DEADLINE_EXCEEDED"),
    ],
)
def test_what_containerd_refuses_names_the_image(error, code):
    """A record, blob or snapshot on the way that is not there does not mean that the image is not."""
    with pytest.raises(CriError) as caught, as_cri_errors("pull image 'x'"):
        raise error
    assert caught.value.code.name == code
    assert str(caught.value).startswith(f"pull image 'x': containerd: {error}")


@pytest.mark.parametrize("kind", [containerd.Unknown, containerd.NotFound, errors.NotInRegistryError])
def test_containerds_words_hold_no_secrets(kind):
    """It shows signed addresses whole, and repeats what a server has said."""
    said = (
        'failed to copy: Get "https://me:pw-geheim@storage.example/a%2Fb?sig=geheim#geheim": 403, '
        "http://r.example:5000/v2/x: you sent pass-geheim"
    )
    error = kind("Transfer/Transfer", said) if issubclass(kind, containerd.ContainerdError) else kind(said)
    with pytest.raises(CriError) as caught, as_cri_errors("pull image 'x'", ["pass-geheim"]):
        raise error
    assert "geheim" not in str(caught.value)
    shown = 'Get "https://storage.example/a%2Fb": 403, http://r.example:5000/v2/x: you sent [secret]'
    assert str(caught.value).endswith(shown)


def test_a_layer_that_fills_the_disk():
    """It is the disk's fault and not the layer's."""
    with pytest.raises(CriError, match="left on device; free space") as caught, as_cri_errors("pull image 'x'"):
        raise errors.ExtractionError("layer y cannot be extracted: write /x/z: no space left on device")
    assert caught.value.code.name == "RESOURCE_EXHAUSTED"
