"""System calls that the standard library lacks, behind one protocol with a recording double for tests.

This room may import only ``timeline`` and ``untrusted``. It must never know what a pod or a container is.
"""

from __future__ import annotations

from cri_shim.kernel.linux import LinuxKernel
from cri_shim.kernel.protocol import Kernel
from cri_shim.kernel.recording import RecordingKernel

__all__ = ["Kernel", "LinuxKernel", "RecordingKernel"]
