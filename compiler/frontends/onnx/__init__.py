"""ONNX models. Importing this package imports `onnx`, which takes a while."""

from .importer import import_onnx
from .problems import Problem, UnsupportedModel

__all__ = ["Problem", "UnsupportedModel", "import_onnx"]
