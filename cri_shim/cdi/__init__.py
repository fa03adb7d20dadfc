"""The Container Device Interface: vendors describe devices, and what a container needs to use them, in files.

The files list the device nodes, mounts, environment, hooks, groups and RDT class of a device. This room reads and
checks them, and writes them into a runtime spec. Source: the CDI specification, SPEC.md of its repository; versions
0.3.0 to 1.1.0.

This room may import ``oci``, ``kernel`` and the floors below. It must never change a file or a device of the node.
"""

from __future__ import annotations
