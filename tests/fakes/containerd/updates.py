"""Field masks: which labels an update leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.containerd.refusals import Refusal, invalid_argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def without_empty(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels as containerd stores them: an empty value takes the label away."""
    return {key: value for key, value in labels.items() if value}


def updated_labels(
    current: Mapping[str, str], wanted: Mapping[str, str], paths: Iterable[str], refusal: str
) -> dict[str, str]:
    """Return the labels after an update of ``paths``: ``labels``, ``labels.key``, or none for all.

    ``refusal`` is the text for any other path, with ``{path}`` where containerd names it.
    """
    paths = list(paths) or ["labels"]
    labels = dict(current)
    for path in paths:
        if path == "labels":
            labels = dict(wanted)
        elif not set_label(labels, wanted, path):
            raise cannot_update(refusal, path)
    return without_empty(labels)


def set_label(labels: dict[str, str], wanted: Mapping[str, str], path: str) -> bool:
    """Apply ``labels.key``; false for any other path."""
    if not path.startswith("labels."):
        return False
    key = path.removeprefix("labels.")
    labels[key] = wanted.get(key, "")
    return True


def cannot_update(refusal: str, path: str) -> Refusal:
    """Return the error for a path that may not change."""
    return invalid_argument(refusal.format(path=path))
