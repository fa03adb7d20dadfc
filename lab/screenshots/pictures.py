"""The pictures of the explorer page in docs/images, as data: which view, on which screen, and how it comes about."""

from __future__ import annotations

from dataclasses import dataclass

DESK = (1280, 860)
PHONE = (390, 844)


@dataclass(frozen=True, slots=True)
class Picture:
    """One file. ``address`` may name the ``{start}`` that is shown (a request) and its ``{pod}``."""

    name: str
    address: str
    screen: tuple[int, int] = DESK
    dark: bool = False
    whole: bool = False
    """The whole page, and not only what fits on the screen."""
    clicks: tuple[str, ...] = ()
    """What is clicked before the picture is taken, one after another."""
    awaits: str = "main"
    """What is there when the view is complete."""


PICTURES = (
    Picture("explorer-request", "#/request/{start}", whole=True, awaits=".waterfall"),
    Picture("explorer-pod", "#/pod/{pod}", whole=True, awaits=".lanes"),
    Picture("explorer-pods", "#/pods", (1280, 560), dark=True, awaits=".pod-table td"),
    Picture("explorer-architecture", "#/architecture", whole=True, awaits="#architecture svg"),
    Picture("explorer-phone", "#/request/{start}", PHONE, awaits=".waterfall"),
)
