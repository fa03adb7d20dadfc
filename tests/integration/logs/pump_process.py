"""A process that only runs a LogPump, to be killed: ``python pump_process.py LOG STDOUT_FIFO STDERR_FIFO``.

Says "ready" once it follows the FIFOs and "drained" when their writers are gone.
"""

from __future__ import annotations

import asyncio
import os
import sys

from cri_shim.kernel import LinuxKernel
from cri_shim.logs.fifo import FifoSet
from cri_shim.logs.pump import LogPump


async def main(log: str, stdout: str, stderr: str) -> None:
    fds = FifoSet.of_process("", stdout, stderr, terminal=False).open_readers()
    pump = LogPump(LinuxKernel().tee)
    pump.start()
    handle = pump.attach("victim", *fds, log)
    await handle.wait_opened()
    os.write(1, b"ready\n")
    if await handle.wait_drained(60):
        os.write(1, b"drained\n")
    pump.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
