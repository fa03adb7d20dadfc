"""The images in memory: by id, by any unique prefix of the id, and by every name that points at them.

No I/O, no await.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from containerd_client.distribution.values.errors import ManifestError
from containerd_client.distribution.values.reference import id_prefix, is_digest
from cri_shim.errors import CriError, InvalidArgumentError
from cri_shim.images.names import normal_name, tags_and_digests
from cri_shim.oci.checkpoint_image import is_checkpoint
from cri_shim.oci.image_config import ImageConfig, parse_image_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.values.manifest import Descriptor


class Image(Struct, frozen=True):
    """One image; ``size`` is in bytes as stored (compressed), ``target`` is what its newest name points at."""

    id: str
    target: Descriptor
    chain_id: str
    size: int
    config: ImageConfig = field(default_factory=ImageConfig)
    references: tuple[str, ...] = ()
    """Names of all its records in containerd, oldest first."""
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    pinned: bool = False
    checkpoint: bool = False
    """It holds a container's checkpoint and cannot be run as an image."""

    @property
    def name(self) -> str:
        """The name for records of containers, which cAdvisor and ``ctr`` show: a tag if there is one, else a digest.

        containerd's plugin takes the first in the order of its ``docker.Sort``.
        """
        return min(self.repo_tags or self.repo_digests or (self.id,))


class ImageTable:
    """Which name points at which image; an image stays as long as one name points at it."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}
        self._names: dict[str, str] = {}
        self._pinned: set[str] = set()

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._images)

    def __iter__(self) -> Iterator[Image]:
        """Iterate over a snapshot of all images."""
        return iter(tuple(self._images.values()))

    def names(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(self._names)

    def by_name(self, name: str) -> Image | None:
        """Return the image of exactly this record name."""
        image_id = self._names.get(name)
        return self._images.get(image_id) if image_id else None

    def by_target(self, digest: str) -> Image | None:
        """Return an image whose newest name points at this index or manifest."""
        return next((image for image in self._images.values() if image.target.digest == digest), None)

    def resolve(self, ref: str) -> Image | None:
        """Return the image for a reference in a CRI request.

        That is an id, a name with tag or digest in any form, or a prefix of an id.

        A name wins over a prefix of an id. Raises ``InvalidArgumentError`` if ``ref`` is empty or matches several ids.
        """
        if not ref:
            raise InvalidArgumentError("image reference is empty")
        if is_digest(ref):
            return self._images.get(ref)
        named = self.by_name(normal_name(ref)) or self.by_name(ref)
        prefix = id_prefix(ref)
        if named is not None or not prefix:
            return named
        matching = [image for image in self._images.values() if image.id.partition(":")[2].startswith(prefix)]
        if len(matching) > 1:
            raise InvalidArgumentError(f"image id {ref!r} is ambiguous: it matches {len(matching)} images")
        return matching[0] if matching else None

    def name_of(self, ref: str) -> str:
        """Return the record name that a reference in any form stands for; empty if no record has it."""
        return next((name for name in (normal_name(ref), ref) if name in self._names), "")

    def put(self, name: str, image: Image, *, pinned: bool) -> Image:
        """Make ``name`` point at ``image``, and at no other image any more; the references come from this table."""
        before = self._names.get(name)
        if before is not None and before != image.id:
            self.drop(name)
        self._names[name] = image.id
        self._pinned.discard(name)
        if pinned:
            self._pinned.add(name)
        known = self._images.get(image.id)
        references = known.references if known else ()
        self._images[image.id] = image
        return self._refresh(image.id, tuple(dict.fromkeys((*references, name))))

    def drop(self, name: str) -> None:
        """Forget a name, and the image with its last name."""
        image_id = self._names.pop(name, None)
        self._pinned.discard(name)
        if image_id is None:
            return
        rest = tuple(other for other in self._images[image_id].references if other != name)
        if rest:
            self._refresh(image_id, rest)
        else:
            del self._images[image_id]

    def _refresh(self, image_id: str, references: tuple[str, ...]) -> Image:
        tags, digests = tags_and_digests(references)
        pinned = any(name in self._pinned for name in references)
        image = replace(
            self._images[image_id], references=references, repo_tags=tags, repo_digests=digests, pinned=pinned
        )
        self._images[image_id] = image
        return image


def image_of(contents: ImageContents) -> Image:
    """Return the image that these documents describe; raises ManifestError if its configuration cannot be used."""
    try:
        config = parse_image_config(contents.config)
    except CriError as error:
        raise ManifestError(f"image {contents.id}: {error}") from error
    return Image(
        id=contents.id,
        target=contents.target,
        chain_id=contents.chain_id,
        size=contents.size,
        config=config,
        checkpoint=any(is_checkpoint(document.data) for document in contents.documents),
    )
