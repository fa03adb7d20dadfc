"""Values by id, found by any prefix of the id that is unique, as every CRI call allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cri_shim.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Identified(Protocol):
    """A value with an id of 64 hexadecimal characters."""

    @property
    def id(self) -> str:
        """The full id."""

    def list_entry(self) -> bytes:
        """Return a serialised list response that holds this value alone."""
        ...


V = TypeVar("V", bound=Identified)


class Index(Generic[V]):
    """The values of one kind; ``kind`` ("sandbox", "container") is used in error messages."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._values: dict[str, V] = {}
        self._watchers: list[Callable[[V | None, V | None], None]] = []
        self._list: bytes | None = None

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[V]:
        """All values, in the order they were added; a snapshot, so that an await between two is harmless."""
        return iter(tuple(self._values.values()))

    def __contains__(self, id_: object) -> bool:
        """Whether there is a value with exactly this id."""
        return id_ in self._values

    def find(self, ref: str) -> V | None:
        """The value whose id is ``ref`` or begins with it; None when there is none.

        Raises InvalidArgumentError when ``ref`` is empty or fits several.
        """
        if not ref:
            raise InvalidArgumentError(f"{self.kind} id is empty")
        exact = self._values.get(ref)
        if exact is not None:
            return exact
        matching = [value for id_, value in self._values.items() if id_.startswith(ref)]
        if len(matching) > 1:
            raise InvalidArgumentError(f"{self.kind} id {ref!r} fits {len(matching)} {self.kind}s; give more of it")
        return matching[0] if matching else None

    def exact(self, id_: str) -> V | None:
        """The value with exactly this id; for ids that come from containerd, which need not be of ours."""
        return self._values.get(id_)

    def get(self, ref: str) -> V:
        """Like :meth:`find`, but raises NotFoundError when there is none."""
        value = self.find(ref)
        if value is None:
            raise NotFoundError(f"{self.kind} {ref!r} is not known")
        return value

    def list_response(self) -> bytes:
        """Return the list entries of all values, joined; the join is kept until a value changes.

        A quiet node asks for lists all day, and hardly anything changes between two of them (docs/adr/0038).
        """
        if self._list is None:
            self._list = b"".join(value.list_entry() for value in self._values.values())
        return self._list

    def watch(self, watcher: Callable[[V | None, V | None], None]) -> None:
        """Call ``watcher(old, new)`` right after each change; None stands for "not there". It must not fail."""
        self._watchers.append(watcher)

    def _changed(self, old: V | None, new: V | None) -> None:
        self._list = None
        for watcher in self._watchers:
            watcher(old, new)

    def put(self, value: V) -> None:
        """Add ``value``, or put it in the place of the one with its id."""
        old = self._values.get(value.id)
        self._values[value.id] = value
        self._changed(old, value)

    def update(self, id_: str, change: Callable[[V], V]) -> V | None:
        """Replace the value of the full id ``id_`` by ``change(value)``; None when it has gone meanwhile."""
        value = self._values.get(id_)
        if value is None:
            return None
        changed = self._values[id_] = change(value)
        if changed is not value:
            self._changed(value, changed)
        return changed

    def drop(self, id_: str) -> None:
        """Forget the full id ``id_``; nothing happens when it is not there."""
        value = self._values.pop(id_, None)
        if value is not None:
            self._changed(value, None)
