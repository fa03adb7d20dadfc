"""Ask the node's verifier programs before an image is pulled, by the contract of containerd's ``bindir`` verifier.

containerd asks them in its Transfer service only, from version 2.0 on. A pull of this daemon takes another way, or goes
to a containerd without verifiers, and must not bypass a policy of the node. So this module asks them, before any
request to containerd and for both ways to pull (docs/adr/0030; containerd docs/image-verification.md).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from containerd_client.distribution.values.errors import RefusedByPolicyError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.process import run_program
from untrusted import decode_utf8, escaped

if TYPE_CHECKING:
    from containerd_client.distribution.values.manifest import Descriptor

DESCRIPTOR_TYPE: Final = "application/vnd.oci.descriptor.v1+json"
OUTPUT_LIMIT: Final = 1 << 15
"""Bytes of a verifier's output that are used (containerd's limit)."""
LONGEST_REASON: Final = 1024
"""Characters of the output that an error text shows."""

log = structlog.get_logger(__name__)


class ImageVerifier(Struct, frozen=True):
    """The verifiers of one directory.

    ``max_verifiers`` is how many are asked, the first by name; a value below 0 means all. The time limit is in seconds.
    """

    bin_dir: str = "/opt/containerd/image-verifier/bin"
    max_verifiers: int = 10
    per_verifier_timeout: float = 10.0

    async def programs(self) -> tuple[str, ...]:
        """Return the paths of the programs to ask, in their order; none if the directory is absent or empty.

        Raises ``RefusedByPolicyError`` for a directory that cannot be read, because its content is unknown.
        """
        if not self.bin_dir:
            return ()
        try:
            names = await run(FS, os.listdir, self.bin_dir)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise RefusedByPolicyError(
                f"image verifiers in {self.bin_dir} cannot be asked: {error.strerror}; mend the directory, or change "
                "image.verifier.bin_dir"
            ) from error
        names.sort(key=os.fsencode)
        if 0 <= self.max_verifiers < len(names):
            log.warning("image.verifiers_skipped", directory=self.bin_dir, present=len(names), asked=self.max_verifiers)
            names = names[: self.max_verifiers]
        return tuple(str(Path(self.bin_dir) / name) for name in names)

    async def verify(self, name: str, target: Descriptor, programs: tuple[str, ...]) -> None:
        """Ask ``programs`` whether ``target``, to which ``name`` was resolved, may be pulled.

        Raises ``RefusedByPolicyError`` if one of the programs rejects it, or gives no answer.
        """
        for program in programs:
            await self._ask(program, name, target)

    async def _ask(self, program: str, name: str, target: Descriptor) -> None:
        shown = escaped(program)
        argv = [program, "-name", name, "-digest", target.digest, "-stdin-media-type", DESCRIPTOR_TYPE]
        descriptor = {"mediaType": target.media_type, "digest": target.digest, "size": target.size}
        stdin = json.dumps(descriptor, separators=(",", ":")).encode() + b"\n"
        try:
            done = await run_program(argv, os.environ, stdin, time_limit=self.per_verifier_timeout)
        except TimeoutError as error:
            raise RefusedByPolicyError(
                f"image verifier {shown} did not answer within {self.per_verifier_timeout:g} s for {target.digest}"
            ) from error
        except OSError as error:
            raise RefusedByPolicyError(
                f"image verifier {shown} cannot be run: {error.strerror}; everything in {self.bin_dir} has to be an "
                "executable program"
            ) from error
        reason = escaped(decode_utf8(done.stdout[:OUTPUT_LIMIT]).strip(), LONGEST_REASON)
        if done.stderr:
            log.debug("image.verifier_stderr", verifier=shown, text=escaped(decode_utf8(done.stderr[:OUTPUT_LIMIT])))
        if done.exit_code < 0:
            raise RefusedByPolicyError(
                f"image verifier {shown} was ended by signal {-done.exit_code} before it answered for {target.digest}"
            )
        log.debug("image.verifier_answered", verifier=shown, image=name, exit_code=done.exit_code, reason=reason)
        if done.exit_code:
            raise RefusedByPolicyError(
                f"image verifier {shown} rejected {target.digest} (exit code {done.exit_code}): "
                f"{reason or 'it gives no reason'}"
            )
