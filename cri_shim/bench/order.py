"""Whose turn it is: A B B A, so that a machine that becomes slower or faster hits both alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def order_of_round(sides: Sequence[T], number: int) -> tuple[T, ...]:
    """The order of round ``number`` (from 0): forwards in every even one, backwards in every odd one.

    Of two rounds in a row each side has, on average, the same place in time.
    """
    return tuple(sides) if number % 2 == 0 else tuple(reversed(sides))
