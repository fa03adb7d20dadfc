"""Container Device Interface: devices that vendors describe in files, and what a container needs to use one.

The files say which device nodes, mounts, environment, hooks, groups and RDT class a device brings; here they are read,
checked, and written into a runtime spec. Source: the CDI specification, SPEC.md of its repository; versions 0.3.0 to
1.1.0.
"""

from __future__ import annotations
