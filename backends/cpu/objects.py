"""
The code entry of an artifact for the CPU: an `ar` archive of object files.

    ar t code.a; objdump -d code.a

One member a group of kernels, and one for the code that runs them. Times, owners and
names of members are fixed, so that equal objects give equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

MAGIC = b"!<arch>\n"


def pack(objects: Sequence[bytes]) -> bytes:
    """An archive of `objects`, in their order, called `0.o`, `1.o`, …"""
    parts = [MAGIC]
    for position, data in enumerate(objects):
        name = f"{position}.o/"
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data):<10}`\n"
        parts += [head.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(parts)
