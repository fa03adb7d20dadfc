"""What the fake remembers of each call, and what a service method knows about the call that it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes.containerd.identifiers import validate_identifier
from tests.fakes.containerd.refusals import Refusal, failed_precondition

if TYPE_CHECKING:
    from google.protobuf.message import Message

NAMESPACE_HEADER = "containerd-namespace"
LEASE_HEADER = "containerd-lease"


@dataclass(eq=False)
class Call:
    """One call that reached the fake. ``code`` is empty while it runs."""

    method: str
    """Service and method without the package, for example ``Tasks/Create``."""
    request: Message | None
    """The request; for a call that streams both ways, the first message. The call owns it: nothing changes it."""
    order: int
    """How many calls came before."""
    started: float
    """Of ``time.monotonic``."""
    header: dict[str, str] = field(default_factory=dict)
    ended: float = 0.0
    code: str = ""
    """Name of the status that was answered: ``OK``, ``NOT_FOUND``, and ``CANCELLED`` when the client hung up."""
    text: str = ""
    """The error text that was answered."""
    done: bool = False
    """The method did its work. A call whose answer was lost has been done and ends with an error."""

    @property
    def namespace(self) -> str:
        """The namespace of the header, empty without one."""
        return self.header.get(NAMESPACE_HEADER, "")

    @property
    def lease(self) -> str:
        """The lease of the header, empty without one."""
        return self.header.get(LEASE_HEADER, "")

    def required_namespace(self) -> str:
        """Return the namespace; refuse a call without one, as all services that keep things do."""
        if not self.namespace:
            raise failed_precondition("namespace is required")
        try:
            validate_identifier(self.namespace)
        except Refusal as refusal:
            raise Refusal(refusal.code, f"namespace validation: {refusal.text}") from None
        return self.namespace
