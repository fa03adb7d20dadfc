"""A whole machine of our own: a Debian guest with systemd as PID 1, cgroup v2 and all capabilities.

The machines that tests usually run on have none of the three. QEMU emulates one, or runs it by KVM where that works,
and the suites of :mod:`tests.guest.suites` run in it: ``make test-guest``. From the outside in:

- :mod:`tests.guest.run`: what the make target runs; builds the disks, boots, reports.
- :mod:`tests.guest.base`: the Debian, a disk image that is kept; :mod:`tests.guest.project`: the project on a disk.
- :mod:`tests.guest.machine`, :mod:`tests.guest.accelerator`: QEMU.
- ``root/``: the files that the Debian gets on top; they start :mod:`tests.guest.inside`, which runs the suites.
- :mod:`tests.guest.report`: what came back.
"""
