"""What goes wrong around the tests, as opposed to in them."""

from __future__ import annotations


class GuestError(RuntimeError):
    """The guest could not be built, did not boot, or brought no results back: nothing is said about the project."""
