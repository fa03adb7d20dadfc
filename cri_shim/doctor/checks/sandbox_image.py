"""The image that every pod needs beside its own: present, or to be had from its registry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from containerd_client.distribution.registries.hosts import hosts_of, split_config_path
from containerd_client.distribution.registries.registry import RegistryClient, Source
from containerd_client.distribution.values.errors import DistributionError
from containerd_client.distribution.values.reference import parse_reference
from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.place import quoted
from cri_shim.kernel.executors import FS, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome

MISSING = Code(
    "sandbox-image-missing",
    "error",
    "the sandbox image is neither in containerd nor in its registry",
    "the sandbox image is in containerd, or can be pulled",
)
CODES: Final = (MISSING,)

_SECONDS: Final = 30.0


async def pull_obstacle(config: Config) -> str:
    """Ask the registry for the sandbox image, without pulling it; return why it cannot be had, empty if it can."""
    client = RegistryClient()
    try:
        reference = parse_reference(config.image.sandbox_image)
        hosts = await run(FS, hosts_of, reference.domain, split_config_path(config.image.registry.config_path))
        async with asyncio.timeout(_SECONDS):
            await client.resolve(Source(reference, hosts))
    except TimeoutError:
        return f"its registry did not answer within {_SECONDS:g} s"
    except (DistributionError, OSError) as error:
        return str(error)
    finally:
        await client.close()
    return ""


def judge_image(present: bool, config: Config, obstacle: str | None) -> Iterator[Outcome]:
    """Judge the sandbox image; ``obstacle`` is None if its registry was not asked."""
    image, namespace = config.image.sandbox_image, config.containerd.namespace
    remedies = (
        f"$ ctr -n {namespace} images pull {quoted(image)}",
        "without a network: $ cri-shim image load FILE.tar; or name another image.sandbox_image in the configuration",
    )
    if present:
        yield MISSING.fine(f"the sandbox image {image} is in containerd")
    elif obstacle is None:
        yield MISSING.unknown(
            f"the sandbox image {image} is not in containerd; its registry was not asked for it",
            "$ cri-shim doctor --network",
            *remedies,
        )
    elif obstacle:
        yield MISSING.report(
            f"the sandbox image {image} is not in containerd, and cannot be pulled: {obstacle}", *remedies
        )
    else:
        yield MISSING.fine(f"the sandbox image {image} is not in containerd, and its registry has it")
