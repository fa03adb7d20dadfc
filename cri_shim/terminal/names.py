"""Name what a request is about: the pod and container that people know, and the ids that belong to them."""

from __future__ import annotations

from typing import Any

_SHORT_ID = 12


def name_of(summary: dict[str, Any]) -> str:
    """Return ``NAMESPACE/POD/CONTAINER``, ``NAMESPACE/POD`` or an image; empty if the daemon knows none of them.

    A daemon of an earlier release has no names for a request that carries only an id.
    """
    if image := summary["subject"].get("image"):
        return str(image)
    pod = summary.get("pod")
    if not pod:
        return ""
    parts = [pod["namespace"], pod["name"] or pod["id"][:_SHORT_ID]]
    if container := summary.get("container"):
        parts.append(container["name"] or container["id"][:_SHORT_ID])
    return "/".join(str(part) for part in parts if part)


def short_subject(summary: dict[str, Any]) -> str:
    """Return what a line about a request has room for: its name or, without one, its ids, shortened."""
    pairs = (f"{key}={str(value)[:24]}" for key, value in summary["subject"].items())
    return name_of(summary) or " ".join(pairs)


def full_subject(record: dict[str, Any]) -> str:
    """Return the name and, with their full ids, all that it stands for."""
    name = name_of(record)
    ids = {key: part["id"] for key in ("pod", "container") if (part := record.get(key)) and part["id"]}
    pairs = (f"{key}={value}" for key, value in (ids if name else record["subject"]).items())
    return "  ".join([part for part in (name, *pairs) if part])
