"""Object files in the code entry of an artifact for the CPU."""

from __future__ import annotations

ARCHIVE = b"!<arch>\n"
OBJECTS = (b"\x7fELF\2", b"\xcf\xfa\xed\xfe")
"""What 64-bit object files begin with: ELF, and Mach-O."""

HEAD_BYTES = 60
SIZE = slice(48, 58)
END = b"`\n"


class NotObjects(ValueError):
    """The bytes are neither an object file nor an archive of them."""


def unpack(code: bytes) -> list[bytes]:
    """
    The object files in `code`: itself, or the members of an `ar` archive.

    Raises:
        NotObjects: it is something else. LLVM would end the process on it.
    """
    if not code.startswith(ARCHIVE):
        return [_checked(code)]
    objects: list[bytes] = []
    offset = len(ARCHIVE)
    while offset < len(code):
        head = code[offset : offset + HEAD_BYTES]
        digits = head[SIZE].strip()
        if len(head) < HEAD_BYTES or head[58:] != END or not digits.isdigit():
            raise NotObjects("a member of its code has no head")
        start, size = offset + HEAD_BYTES, int(digits)
        if start + size > len(code):
            raise NotObjects("a member of its code is cut short")
        objects.append(_checked(code[start : start + size]))
        offset = start + size + size % 2
    return objects


def _checked(data: bytes) -> bytes:
    if not data.startswith(OBJECTS):
        raise NotObjects("its code is not an object file")
    return data
