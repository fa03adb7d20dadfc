"""Keep values by id, and find one by any unique prefix of its id, as every CRI call allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cri_shim.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Identified(Protocol):
    """A value with an id of 64 hexadecimal characters, in a state of its kind's CRI enumeration."""

    @property
    def id(self) -> str:
        """The full id."""

    @property
    def state(self) -> int:
        """The CRI state."""

    def list_entry(self) -> bytes:
        """Return a serialised list response that holds this value alone."""
        ...


V = TypeVar("V", bound=Identified)


class Index(Generic[V]):
    """All values of one kind. Error messages name the ``kind`` ("sandbox", "container")."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._values: dict[str, V] = {}
        self._watchers: list[Callable[[V | None, V | None], None]] = []
        self._lists: dict[int | None, bytes] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[V]:
        """Iterate over a copy, in the order of addition, so that an await between two values does no harm."""
        return iter(tuple(self._values.values()))

    def __contains__(self, id_: object) -> bool:
        """Whether a value has exactly this id."""
        return id_ in self._values

    def find(self, ref: str) -> V | None:
        """Return the value whose id is ``ref`` or starts with it; None when no id does.

        Raises InvalidArgumentError when ``ref`` is empty or matches several ids.
        """
        if not ref:
            raise InvalidArgumentError(f"{self.kind} id is empty")
        exact = self._values.get(ref)
        if exact is not None:
            return exact
        matching = [value for id_, value in self._values.items() if id_.startswith(ref)]
        if len(matching) > 1:
            raise InvalidArgumentError(f"{self.kind} id {ref!r} is ambiguous: it matches {len(matching)} {self.kind}s")
        return matching[0] if matching else None

    def exact(self, id_: str) -> V | None:
        """Return the value with exactly this id. It is for ids from containerd, which may be those of other clients."""
        return self._values.get(id_)

    def get(self, ref: str) -> V:
        """Like :meth:`find`, but raises NotFoundError when there is none."""
        value = self.find(ref)
        if value is None:
            raise NotFoundError(f"{self.kind} {ref!r} is not known")
        return value

    def list_response(self, state: int | None = None) -> bytes:
        """Return the list entries of all values, or of those in one state, joined; kept until a value changes.

        Clients of a quiet node poll the lists all day, and hardly anything changes in between (docs/adr/0038). A
        kubelet asks for all values and, half as often, for those that run. An empty list is not kept: a request may
        name any number as a state.
        """
        kept = self._lists.get(state)
        if kept is not None:
            return kept
        wanted = (value for value in self._values.values() if state is None or value.state == state)
        made = b"".join(value.list_entry() for value in wanted)
        if made:
            self._lists[state] = made
        return made

    def watch(self, watcher: Callable[[V | None, V | None], None]) -> None:
        """Call ``watcher(old, new)`` right after each change; None stands for "absent". The watcher must not raise."""
        self._watchers.append(watcher)

    def _changed(self, old: V | None, new: V | None) -> None:
        self._lists.clear()
        for watcher in self._watchers:
            watcher(old, new)

    def put(self, value: V) -> None:
        """Add ``value``, or replace the one with the same id."""
        old = self._values.get(value.id)
        self._values[value.id] = value
        self._changed(old, value)

    def update(self, id_: str, change: Callable[[V], V]) -> V | None:
        """Replace the value of the full id ``id_`` with ``change(value)``; return None if it is no longer there."""
        value = self._values.get(id_)
        if value is None:
            return None
        changed = self._values[id_] = change(value)
        if changed is not value:
            self._changed(value, changed)
        return changed

    def drop(self, id_: str) -> None:
        """Remove the value of the full id ``id_``, if it is there."""
        value = self._values.pop(id_, None)
        if value is not None:
            self._changed(value, None)
