"""All codes of the doctor, in the order in which they are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.doctor.checks import (
    cgroups,
    checkpoints,
    clock,
    cni,
    cni_programs,
    configuration,
    containerd,
    daemons,
    directories,
    image_verifiers,
    kubelet,
    leftovers,
    limits,
    mounts,
    ports,
    rights,
    runtime_features,
    runtimes,
    sandbox_image,
    security_modules,
    unowned,
)

if TYPE_CHECKING:
    from cri_shim.doctor.facts.code import Code

CODES: Final[tuple[Code, ...]] = (
    *configuration.CODES,
    *rights.CODES,
    *daemons.CODES,
    *directories.CODES,
    *containerd.CODES,
    *image_verifiers.CODES,
    *runtimes.CODES,
    *runtime_features.CODES,
    *cni.CODES,
    *cni_programs.CODES,
    *sandbox_image.CODES,
    *kubelet.CODES,
    *cgroups.CODES,
    *mounts.CODES,
    *ports.CODES,
    *security_modules.CODES,
    *limits.CODES,
    *leftovers.CODES,
    *unowned.CODES,
    *clock.CODES,
    *checkpoints.CODES,
)
