"""Classes of block I/O, and of cache and memory bandwidth, which pods request by annotations.

Source: containerd ``docs/cri/config.md`` and its plugin's use of the annotations; the kernel's blkio/io controllers and
resctrl.
"""

from __future__ import annotations
