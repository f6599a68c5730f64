"""The rows of all operators, by domain and name."""

from __future__ import annotations

from .node import Row
from .operators_attention import ATTENTION
from .operators_contrib import CONTRIBUTED
from .operators_control import CONTROL
from .operators_elementwise import ELEMENTWISE
from .operators_index import INDEX
from .operators_linear import LINEAR
from .operators_movement import MOVEMENT
from .operators_norm import NORM
from .operators_quant import QUANT
from .operators_reduce import REDUCE
from .operators_resize import RESIZE
from .operators_rnn import RNN
from .operators_signal import SIGNAL
from .operators_window import WINDOW

ROWS: dict[str, dict[str, Row]] = {
    "": {
        **ATTENTION,
        **CONTROL,
        **ELEMENTWISE,
        **INDEX,
        **LINEAR,
        **MOVEMENT,
        **NORM,
        **QUANT,
        **REDUCE,
        **RESIZE,
        **RNN,
        **SIGNAL,
        **WINDOW,
    },
    "com.microsoft": CONTRIBUTED,
}


def find_row(domain: str, op_type: str) -> Row | None:
    """The row of an operator, or None."""
    return ROWS.get(domain, {}).get(op_type)
