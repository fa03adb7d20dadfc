"""The service with which the next request works.

A reload of the configuration replaces the service as a whole, in one step. A request, with everything that it starts,
keeps the service that it began with, so no request sees one half of the old configuration and one half of the new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from cri_shim.service import Service


class Current:
    """Holds the service of the next request, and a logger that is bound once for all of its requests."""

    def __init__(self, service: Service) -> None:
        self.replace(service)

    def replace(self, service: Service) -> None:
        """Let requests from now on work with ``service``, and log at the level that is set now."""
        self.service = service
        # Bound once, so that finding out that a line is not wanted costs a List request next to nothing.
        self.log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__).bind()
