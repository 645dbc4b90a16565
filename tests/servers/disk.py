"""A disk that fails on request: the library disk_fault, preloaded into a server, and the file that controls it."""

import errno
import os
import pathlib

from servers.process import ROOT

CONTROL_BYTES = 4096
FULL = {"write": errno.ENOSPC, "create": errno.ENOSPC}
FAILING_WRITES = {"write": errno.EIO}
FAILING_SYNCS = {"sync": errno.EIO}
READ_ONLY = {"write": errno.EROFS, "create": errno.EROFS, "change": errno.EROFS}


def library():
    build = pathlib.Path(os.environ.get("TIDEWAITER_BIN", ROOT / "build/release/tidewaiter")).parent
    path = build / "tests/servers/libdisk_fault.so"
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run 'make test' once, or build the target disk_fault")
    return str(path)


class Disk:
    def __init__(self, control):
        self.control = pathlib.Path(control)
        self.control.parent.mkdir(parents=True, exist_ok=True)
        self.control.write_bytes(bytes(CONTROL_BYTES))

    def environment(self):
        return {"LD_PRELOAD": library(), "DISK_FAULT_FILE": str(self.control)}

    def fail(self, under, **faults):
        """`faults`: write, create, change, sync (values of errno), delay_us. Takes effect at once."""
        self._put(f"under={under}" + "".join(f" {key}={value}" for key, value in faults.items()) + " ")

    def heal(self):
        self._put("")

    def _put(self, text):
        content = text.encode()
        assert len(content) < CONTROL_BYTES
        with open(self.control, "r+b") as control:
            # The first byte last: a reader sees no half of it.
            control.write(bytes(1))
            control.flush()
            control.write(content[1:].ljust(CONTROL_BYTES - 1, b"\0"))
            control.flush()
            control.seek(0)
            control.write(content[:1] or b"\0")
