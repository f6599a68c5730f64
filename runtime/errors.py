"""One exception class per boundary; each message names the file, layer or input first."""

from __future__ import annotations


class OvcError(Exception):
    """A mistake or a limit that the user can act on. Shown without a traceback."""


class ImportFailure(OvcError):
    """A model file that cannot be read. The message starts with the file."""


class UnsupportedOperation(OvcError):
    """An operation without a meaning or a kernel here. The message names the layer."""


class CompileError(OvcError):
    """A network that cannot be compiled as asked: symbolic shapes, options, targets."""


class ArtifactError(OvcError):
    """A compiled artifact that is damaged, foreign or of another version."""


class InputError(OvcError):
    """An array that does not fit a network's input. The message names the input."""


class DeviceError(OvcError):
    """A device that is absent or failed. The message says what to install or do."""
