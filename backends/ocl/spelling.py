"""How OpenCL C spells scalar operations on registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import BFloat16Type, Float16Type, Float64Type, FloatAttr
from xdsl.ir import Attribute, Operation, SSAValue

from ..functions import FUNCTIONS, LIBRARY
from .elements import (
    BOOL,
    NARROW_FLOATS,
    bits_of,
    condition,
    many,
    register_name,
    unsigned,
)

INFIX: dict[type[Operation], str] = {
    arith.AddfOp: "+",
    arith.SubfOp: "-",
    arith.MulfOp: "*",
    arith.DivfOp: "/",
    arith.DivSIOp: "/",
    arith.RemSIOp: "%",
    arith.ShRSIOp: ">>",
    arith.AndIOp: "&",
    arith.OrIOp: "|",
    arith.XOrIOp: "^",
}

WRAPPING: dict[type[Operation], str] = {
    arith.AddiOp: "+",
    arith.SubiOp: "-",
    arith.MuliOp: "*",
    arith.ShLIOp: "<<",
}
"""Integer operations that wrap around; C leaves that undefined for signed scalars."""

UNSIGNED_INFIX: dict[type[Operation], str] = {
    arith.DivUIOp: "/",
    arith.RemUIOp: "%",
    arith.ShRUIOp: ">>",
}

BUILTINS: dict[type[Operation], str] = {
    arith.MaxSIOp: "max",
    arith.MinSIOp: "min",
    math.FmaOp: "fma",
    math.RoundEvenOp: "rint",
    **FUNCTIONS,
    **LIBRARY,
}
"""Functions of OpenCL C with all their digits: no `native_` or `half_` ones."""

UNSIGNED_BUILTINS: dict[type[Operation], str] = {
    arith.MaxUIOp: "max",
    arith.MinUIOp: "min",
}

FLOAT_TESTS = (
    "0",
    "{0} == {1}",
    "{0} > {1}",
    "{0} >= {1}",
    "{0} < {1}",
    "{0} <= {1}",
    "({0} < {1}) | ({0} > {1})",
    "({0} == {0}) & ({1} == {1})",
    "!(({0} < {1}) | ({0} > {1}))",
    "!({0} <= {1})",
    "!({0} < {1})",
    "!({0} >= {1})",
    "!({0} > {1})",
    "{0} != {1}",
    "({0} != {0}) | ({1} != {1})",
    "1",
)
"""The predicates of `arith.cmpf`, in order."""

INTEGER_TESTS = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
"""The predicates of `arith.cmpi`, in order; the last four are unsigned."""

HELPERS = {
    "half_to_float": """\
static inline float{n} half_to_float{n}(ushort{n} bits) {{
    return vload_half{n}(0, (const half*)&bits);
}}
""",
    "float_to_half": """\
static inline ushort{n} float_to_half{n}(float{n} value) {{
    ushort{n} bits;
    vstore_half{n}_rte(value, 0, (half*)&bits);
    return bits;
}}
""",
    "double_to_half": """\
static inline ushort{n} double_to_half{n}(double{n} value) {{
    ushort{n} bits;
    vstore_half{n}_rte(value, 0, (half*)&bits);
    return bits;
}}
""",
    "bfloat_to_float": """\
static inline float{n} bfloat_to_float{n}(ushort{n} bits) {{
    return as_float{n}(convert_uint{n}(bits) << 16);
}}
""",
    "float_to_bfloat": """\
static inline ushort{n} float_to_bfloat{n}(float{n} value) {{
    const uint{n} bits = as_uint{n}(value);
    const uint{n} rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return convert_ushort{n}(isnan(value) ? (bits >> 16) | 0x40 : rounded);
}}
""",
}
"""Functions that programs may need, for `n` lanes (empty: one)."""

HELPER_ORDER = tuple(HELPERS)


class Speller:
    """Spells scalar operations as expressions and notes the helpers they call."""

    def __init__(self) -> None:
        self.helpers: set[tuple[str, int]] = set()

    def helper(self, name: str, width: int, operand: str) -> str:
        """A call of one of `HELPERS`."""
        self.helpers.add((name, width))
        return f"{name}{many(width)}({operand})"

    def expression(self, op: Operation, operands: Sequence[str], width: int) -> str:
        """`op` on registers of `width` lanes."""
        kind, element = type(op), op.operands[-1].type
        if kind in INFIX:
            return f"{operands[0]} {INFIX[kind]} {operands[1]}"
        if kind in WRAPPING:
            return _wrapping(WRAPPING[kind], operands, element, width)
        if kind in UNSIGNED_INFIX or kind in UNSIGNED_BUILTINS:
            return _unsigned_operation(kind, operands, element, width)
        if kind in BUILTINS:
            return f"{BUILTINS[kind]}({', '.join(operands)})"
        if kind in CONVERSIONS:
            return CONVERSIONS[kind](self, op, operands[0], width)
        return self.special(op, operands, element, width)

    def special(
        self, op: Operation, operands: Sequence[str], element: Attribute, width: int
    ) -> str:
        """Operations that are in no table."""
        match op:
            case arith.NegfOp():
                return f"-{operands[0]}"
            case arith.MaximumfOp():
                return _extreme(">", op, operands)
            case arith.MinimumfOp():
                return _extreme("<", op, operands)
            case arith.CmpfOp():
                test = FLOAT_TESTS[op.predicate.value.data].format(*operands)
                return _tested(test, element, width)
            case arith.CmpiOp():
                predicate = op.predicate.value.data
                if predicate >= 6:
                    operands = [unsigned(element, width, o) for o in operands]
                test = f"{operands[0]} {INTEGER_TESTS[predicate]} {operands[1]}"
                return _tested(test, element, width)
            case arith.SelectOp():
                chosen = condition(operands[0], element, width)
                return f"{chosen} ? {operands[1]} : {operands[2]}"
            case _:
                raise NotImplementedError(f"no OpenCL spelling of {op.name}")

    def extend_float(self, op: Operation, operand: str, width: int) -> str:
        source, target = op.operands[0].type, op.results[0].type
        if isinstance(source, NARROW_FLOATS):
            name = "half" if isinstance(source, Float16Type) else "bfloat"
            operand = self.helper(f"{name}_to_float", width, operand)
        if isinstance(target, Float64Type):
            return f"convert_double{many(width)}({operand})"
        return operand

    def truncate_float(self, op: Operation, operand: str, width: int) -> str:
        source, target = op.operands[0].type, op.results[0].type
        wide = isinstance(source, Float64Type)
        if isinstance(target, Float16Type):
            name = "double_to_half" if wide else "float_to_half"
            return self.helper(name, width, operand)
        if wide:
            operand = f"convert_float{many(width)}({operand})"
        return self.narrowed(operand, target, width)

    def narrowed(self, value: str, target: Attribute, width: int) -> str:
        """A `float` register as a register of `target`."""
        match target:
            case Float16Type():
                return self.helper("float_to_half", width, value)
            case BFloat16Type():
                return self.helper("float_to_bfloat", width, value)
            case _:
                return value

    def number(self, value: str, target: Attribute, width: int) -> str:
        """An integer register as numbers of `target`."""
        if not isinstance(target, NARROW_FLOATS):
            return f"convert_{register_name(target, width)}({value})"
        return self.narrowed(f"convert_float{many(width)}({value})", target, width)

    def convert(self, op: Operation, operand: str, width: int) -> str:
        """Between integers, and from signed ones to floating point."""
        target = op.results[0].type
        if target == BOOL:
            source = op.operands[0].type
            name = register_name(source, width)
            return _tested(f"({operand} & ({name})(1)) != ({name})(0)", source, width)
        return self.number(operand, target, width)

    def convert_unsigned(self, op: Operation, operand: str, width: int) -> str:
        source, target = op.operands[0].type, op.results[0].type
        if source == BOOL:
            operand = f"{operand} & 1"
        else:
            operand = unsigned(source, width, operand)
        return self.number(operand, target, width)

    def round_to_zero(self, op: Operation, operand: str, width: int) -> str:
        return f"convert_{register_name(op.results[0].type, width)}_sat_rtz({operand})"

    def round_to_zero_unsigned(self, op: Operation, operand: str, width: int) -> str:
        name = register_name(op.results[0].type, width)
        zero = "0.0" if isinstance(op.operands[0].type, Float64Type) else "0.0f"
        # Not every device turns NaN to 0 by itself.
        return f"as_{name}(convert_u{name}_sat_rtz(fmax({operand}, {zero})))"

    def same_bits(self, op: Operation, operand: str, width: int) -> str:
        return f"as_{register_name(op.results[0].type, width)}({operand})"


CONVERSIONS: dict[type[Operation], Callable[[Speller, Operation, str, int], str]] = {
    arith.ExtFOp: Speller.extend_float,
    arith.TruncFOp: Speller.truncate_float,
    arith.SIToFPOp: Speller.convert,
    arith.ExtSIOp: Speller.convert,
    arith.TruncIOp: Speller.convert,
    arith.UIToFPOp: Speller.convert_unsigned,
    arith.ExtUIOp: Speller.convert_unsigned,
    arith.FPToSIOp: Speller.round_to_zero,
    arith.FPToUIOp: Speller.round_to_zero_unsigned,
    arith.BitcastOp: Speller.same_bits,
}


def _wrapping(
    symbol: str, operands: Sequence[str], element: Attribute, width: int
) -> str:
    lhs, rhs = operands
    if element == BOOL:
        return f"{lhs} {'&' if symbol == '*' else '^'} {rhs}"
    if width > 1 or bits_of(element) < 32:
        return f"{lhs} {symbol} {rhs}"
    name = register_name(element)
    return f"({name})((u{name}){lhs} {symbol} (u{name}){rhs})"


def _unsigned_operation(
    kind: type[Operation], operands: Sequence[str], element: Attribute, width: int
) -> str:
    lhs, rhs = (unsigned(element, width, o) for o in operands)
    if kind in UNSIGNED_INFIX:
        text = f"{lhs} {UNSIGNED_INFIX[kind]} {rhs}"
    else:
        text = f"{UNSIGNED_BUILTINS[kind]}({lhs}, {rhs})"
    return f"as_{register_name(element, width)}({text})" if width > 1 else text


def _extreme(sign: str, op: Operation, operands: Sequence[str]) -> str:
    """The larger or the smaller; NaN when either is. A constant needs one test less."""
    lhs, rhs = operands
    if _is_number(op.operands[0]):
        return f"({lhs} {sign} {rhs}) ? {lhs} : {rhs}"
    if _is_number(op.operands[1]):
        return f"({rhs} {sign} {lhs}) ? {rhs} : {lhs}"
    return f"(({lhs} {sign} {rhs}) | ({lhs} != {lhs})) ? {lhs} : {rhs}"


def _is_number(value: SSAValue) -> bool:
    """Whether `value` is a constant, and not NaN."""
    if not isinstance(value.owner, arith.ConstantOp):
        return False
    constant = value.owner.value
    return (
        isinstance(constant, FloatAttr) and constant.value.data == constant.value.data
    )


def _tested(test: str, element: Attribute, width: int) -> str:
    """A comparison of registers of `element` as an `i1` register."""
    if width == 1 or bits_of(element) == 32:
        return test
    return f"convert_int{width}({test})"
