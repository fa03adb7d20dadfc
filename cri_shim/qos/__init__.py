"""Classes of block I/O, and of cache and memory bandwidth, which pods request by annotations.

Source: containerd ``docs/cri/config.md`` and its plugin's use of the annotations; the kernel's blkio/io controllers and
resctrl.

This room may import ``oci``, ``kernel`` and the floors below. It must never import the configuration.
"""

from __future__ import annotations
