"""
Kernels for tests: nests with arrays for their buffers, random ones with random schedules.

Numbers are small and whole wherever a kernel only adds, multiplies and compares, so that
results are exact in every order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ovc.dialects.kernel.build import Loops, Nest, Scalar
from ovc.dialects.kernel.evaluate import evaluate_nest
from ovc.dialects.kernel.nest import NestOp, ReadOp, WriteOp
from ovc.dialects.kernel.schedule import ScheduleAttr
from ovc.dialects.types import Array, element_of
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Block, SSAValue

Draw = Callable[[st.SearchStrategy[Any]], Any]

PRECISION = {"float64": 1e-12, "float32": 2e-5, "float16": 2e-3, "bfloat16": 1e-2}
"""Relative and absolute error of functions and of sums in another order."""

MOST_REGISTERS = 24
"""Registers of a tile in random schedules."""


class Kernel:
    """A nest and its input arrays; a failing test shows the nest."""

    def __init__(self, nest: NestOp, arrays: list[Array], exact: bool = True) -> None:
        self.nest, self.arrays, self.exact = nest, arrays, exact

    def __repr__(self) -> str:
        return str(self.nest)

    def expected(self) -> list[Array]:
        """What the buffers hold afterwards."""
        arrays = [a.copy() for a in self.arrays]
        evaluate_nest(self.nest, arrays)
        return arrays

    def check(self, results: Sequence[Array]) -> None:
        """Assert that `results` are the expected buffers."""
        for result, wanted in zip(results, self.expected(), strict=True):
            precise = 0.0 if self.exact else PRECISION.get(wanted.dtype.name, 0.0)
            if wanted.dtype.name == "bfloat16":
                result, wanted = result.astype(np.float32), wanted.astype(np.float32)
            np.testing.assert_allclose(result, wanted, precise, precise)

    def scheduled(self, text: str) -> Kernel:
        """The same with a schedule."""
        self.nest.properties["schedule"] = ScheduleAttr.of(text)
        self.nest.verify()
        return self


class Maker:
    """Collects tensors and their arrays, and writes one nest over them."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.block = Block()
        self.arrays: dict[SSAValue, Array] = {}

    def tensor(self, array: Array) -> SSAValue:
        """A tensor that holds `array`."""
        type_ = TensorType(element_of(array.dtype), array.shape)
        value = self.block.insert_arg(type_, len(self.block.args))
        self.arrays[value] = array
        return value

    def whole(self, *shape: int, dtype: Any = np.float32) -> SSAValue:
        """A tensor of small whole numbers."""
        low = 0 if np.dtype(dtype).kind in "ub" else -4
        return self.tensor(self.random.integers(low, 5, shape).astype(dtype))

    def normal(self, *shape: int) -> SSAValue:
        """A tensor of normally distributed numbers."""
        return self.tensor(self.random.standard_normal(shape).astype(np.float32))

    def indices(self, limit: int, *shape: int) -> SSAValue:
        """A tensor of indices, some outside of `[-limit, limit)`."""
        values = self.random.integers(-limit - 1, limit + 1, shape)
        return self.tensor(values.astype(np.int64))

    def kernel(
        self, sizes: dict[str, int], body: Callable[[Nest], None], exact: bool = True
    ) -> Kernel:
        """The kernel over `sizes` that `body` writes."""
        builder = Loops()
        body(builder.nest(sizes))
        (built,) = builder.finish("kernel")
        built.op.verify()
        arrays = [self.arrays[t] for t in built.tensors]  # type: ignore[index]
        return Kernel(built.op, arrays, exact)


def matmul(m: int, n: int, k: int, dtype: Any = np.float32) -> Kernel:
    make = Maker()
    a, b, y = (
        make.whole(m, k, dtype=dtype),
        make.whole(k, n, dtype=dtype),
        make.whole(m, n, dtype=dtype),
    )

    def body(nest: Nest) -> None:
        row, column, inner = nest.indices
        product = nest.read(a, [row, inner]) * nest.read(b, [inner, column])
        nest.write(nest.sum(product, ["k"]), y, [row, column])

    return make.kernel({"m": m, "n": n, "k": k}, body)


def transposed_matmul(m: int, n: int, k: int) -> Kernel:
    """Both factors have what is summed in their rows."""
    make = Maker()
    a, b, y = make.whole(m, k), make.whole(n, k), make.whole(m, n)

    def body(nest: Nest) -> None:
        row, column, inner = nest.indices
        product = nest.read(a, [row, inner]) * nest.read(b, [column, inner])
        nest.write(nest.sum(product, ["k"]), y, [row, column])

    return make.kernel({"m": m, "n": n, "k": k}, body)


def conv(
    channels: tuple[int, int],
    size: tuple[int, int],
    window: tuple[int, int],
    stride: int = 1,
    pad: int = 1,
    block: int = 1,
) -> Kernel:
    """Channels in blocks of `block`, padding by guards, a bias to start from."""
    make = Maker()
    (inputs, outputs), (height, width), (kh, kw) = channels, size, window
    oh, ow = (
        (s + 2 * pad - k) // stride + 1 for s, k in zip(size, window, strict=True)
    )
    x = make.whole(inputs // block, height, width, block)
    w = make.whole(outputs, inputs, kh, kw)
    bias = make.whole(outputs)
    y = make.whole(outputs // block, oh, ow, block)

    def body(nest: Nest) -> None:
        o, h, v, i, r, c = nest.indices
        place = [i // block, h * stride + r - pad, v * stride + c - pad, i % block]
        product = nest.read(x, place, fill=0.0) * nest.read(w, [o, i, r, c])
        total = nest.sum(product, ["ic", "kh", "kw"], init=nest.read(bias, [o]))
        nest.write(nest.maximum(total, 0.0), y, [o // block, h, v, o % block])

    sizes = {"oc": outputs, "oh": oh, "ow": ow, "ic": inputs, "kh": kh, "kw": kw}
    return make.kernel(sizes, body)


def softmax(rows: int, columns: int) -> Kernel:
    make = Maker()
    x, y = make.normal(rows, columns), make.normal(rows, columns)

    def body(nest: Nest) -> None:
        value = nest.read(x, nest.indices)
        power = (value - nest.max(value, ["c"])).exp()
        nest.write(power / nest.sum(power, ["c"]), y, nest.indices)

    return make.kernel({"r": rows, "c": columns}, body, exact=False)


def kept_powers(rows: int, columns: int, whole: bool) -> Kernel:
    """A softmax whose powers wait where its result will be; or the first ones twice."""
    make = Maker()
    x, y = make.normal(rows, columns), make.normal(rows, columns)

    def body(nest: Nest) -> None:
        row, column = nest.indices
        value = nest.read(x, nest.indices)
        nest.write((value - nest.max(value, ["c"])).exp(), y, nest.indices)
        kept = nest.read(y, nest.indices if whole else [row, column // 2])
        total = nest.sum(kept, ["c"])
        nest.write(nest.read(y, nest.indices) / total, y, nest.indices)

    return make.kernel({"r": rows, "c": columns}, body, exact=False)


def reduction(
    sizes: Sequence[int], over: Sequence[int], kind: str, dtype: Any = np.float32
) -> Kernel:
    make = Maker()
    kept = [i for i in range(len(sizes)) if i not in over]
    x = make.whole(*sizes, dtype=dtype)
    y = make.whole(*(sizes[i] for i in kept), dtype=dtype)

    def body(nest: Nest) -> None:
        value = nest.read(x, nest.indices)
        names = list(nest.sizes)
        total = nest.reduce(kind, value, [names[i] for i in over])
        nest.write(total, y, [nest.indices[i] for i in kept])

    return make.kernel({f"d{i}": n for i, n in enumerate(sizes)}, body)


def reshape(rows: int, columns: int, inner: int) -> Kernel:
    """`y[i] = x[i mod rows, ...]`: places that stay divisions."""
    make = Maker()
    x = make.whole(inner, columns, rows)
    y = make.whole(rows * inner, columns)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        nest.write(nest.read(x, [i % inner, j, i // inner]), y, [i, j])

    return make.kernel({"i": rows * inner, "j": columns}, body)


def gather(count: int, rows: int, columns: int) -> Kernel:
    make = Maker()
    x, index = make.whole(rows, columns), make.indices(rows, count)
    y = make.whole(count, columns)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        row = nest.clamp_index(nest.read(index, [i]), rows)
        nest.write(nest.read(x, [row, j]) + 1.0, y, [i, j])

    return make.kernel({"i": count, "j": columns}, body)


def gather_blocks(count: int, rows: int, columns: int) -> Kernel:
    """A gather of elements from places in blocks."""
    make = Maker()
    x, index = make.whole(columns, rows, 4), make.indices(rows, count, columns * 4)
    y = make.whole(count, columns * 4)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        row = nest.clamp_index(nest.read(index, [i, j]), rows)
        nest.write(nest.read(x, [j // 4, row, j % 4]), y, [i, j])

    return make.kernel({"i": count, "j": columns * 4}, body)


def scatter(count: int, rows: int, columns: int, add: bool) -> Kernel:
    make = Maker()
    updates, index = make.whole(count, columns), make.indices(rows, count)
    y = make.whole(rows, columns)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        row = nest.clamp_index(nest.read(index, [i]), rows)
        value = nest.read(updates, [i, j])
        if add:
            value = value + nest.read(y, [row, j])
        nest.write(value, y, [row, j])

    return make.kernel({"i": count, "j": columns}, body)


def padded(height: int, width: int, before: int, after: int) -> Kernel:
    """A border of sevens, and a mask that leaves some elements as they were."""
    make = Maker()
    x = make.whole(height, width)
    y = make.whole(height + before + after, width + before + after)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        value = nest.read(x, [i - before, j - before], fill=7.0)
        nest.write(value, y, [i, j], where=(nest.index(i + j) % 3).ne(0))

    return make.kernel(
        {"i": height + before + after, "j": width + before + after}, body
    )


def upsampled(height: int, width: int, scale: int) -> Kernel:
    """Divisions of places that may be negative."""
    make = Maker()
    x = make.whole(height, width)
    y = make.whole(height * scale, width * scale)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        place = [(i - 1) // scale, (j - 2) // scale]
        odd = nest.index((j - 2) % scale).cast(np.float32)
        nest.write(nest.read(x, place, fill=-1.0) + odd, y, [i, j])

    return make.kernel({"i": height * scale, "j": width * scale}, body)


def ranking(rows: int, columns: int, kept: int) -> Kernel:
    """A reduction of what another reduction leaves: the `kept` largest of each row."""
    make = Maker()
    values = np.stack([make.random.permutation(columns) for _ in range(rows)])
    x = make.tensor(values.astype(np.float32))
    y = make.whole(rows, kept)

    def body(nest: Nest) -> None:
        r, k, i, j = nest.indices
        here, other = nest.read(x, [r, i]), nest.read(x, [r, j])
        larger = (other > here).cast(np.float32)
        rank = nest.sum(larger, ["j"])
        chosen = rank.eq(nest.index(k).cast(np.float32))
        nest.write(nest.max(nest.where(chosen, here, -1.0), ["i"]), y, [r, k])

    return make.kernel({"r": rows, "k": kept, "i": columns, "j": columns}, body)


def centered(rows: int, columns: int) -> Kernel:
    """Reductions over both dimensions, needed at every point of both."""
    make = Maker()
    x, y = make.whole(rows, columns), make.whole(columns, rows)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        value = nest.read(x, [i, j])
        total = nest.sum(value, ["j"])
        largest = nest.max(total, ["i"])
        nest.write(value * total - largest, y, [j, i])

    return make.kernel({"i": rows, "j": columns}, body)


def chained(rows: int, columns: int) -> Kernel:
    """A sum that starts from another one, which is needed afterwards too."""
    make = Maker()
    x, y = make.whole(rows, columns), make.whole(rows)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        value = nest.read(x, [i, j])
        total = nest.sum(value, ["j"])
        squares = nest.sum(value * value, ["j"], init=total)
        highest = nest.max(value, ["j"], init=total)
        nest.write(squares - total * 2.0 + highest, y, [i])

    return make.kernel({"i": rows, "j": columns}, body)


def several(rows: int, columns: int) -> Kernel:
    """Writes of parts of one formula to several places."""
    make = Maker()
    x, first = make.whole(rows, columns), make.whole(rows, columns)
    second, third = make.whole(columns, rows), make.whole(rows, columns + 2)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        value = nest.read(x, [i, j]) * 2.0 + 1.0
        square = value * value
        nest.write(square, first, [i, j])
        nest.write(value - square, second, [j, i])
        nest.write(value, third, [i, j + 2], where=value > 0.0)

    return make.kernel({"i": rows, "j": columns}, body)


def reduced_and_copied(rows: int, columns: int) -> Kernel:
    """A reduction and an elementwise result of the same values."""
    make = Maker()
    x, total, y = make.whole(rows, columns), make.whole(rows), make.whole(rows, columns)

    def body(nest: Nest) -> None:
        i, j = nest.indices
        value = nest.read(x, [i, j]) * 3.0
        nest.write(nest.sum(value, ["j"]), total, [i])
        nest.write(value, y, [i, j])

    return make.kernel({"i": rows, "j": columns}, body)


def counted(groups: int, bins: int, count: int) -> Kernel:
    """Every point adds to a place that only some dimensions decide."""
    make = Maker()
    x, index, y = (
        make.whole(groups, count),
        make.indices(bins, groups),
        make.whole(bins),
    )

    def body(nest: Nest) -> None:
        j, i = nest.indices
        place = nest.clamp_index(nest.read(index, [j]), bins)
        nest.write(nest.read(y, [place]) + nest.read(x, [j, i]), y, [place])

    return make.kernel({"j": groups, "i": count}, body)


def normalization(rows: int, columns: int) -> Kernel:
    """Mean, variance, scale and shift over the last dimension."""
    make = Maker()
    x, scale, shift = (
        make.normal(rows, columns),
        make.normal(columns),
        make.normal(columns),
    )
    y = make.normal(rows, columns)

    def body(nest: Nest) -> None:
        _, c = nest.indices
        value = nest.read(x, nest.indices)
        mean = nest.sum(value, ["c"]) * (1.0 / columns)
        apart = value - mean
        variance = nest.sum(apart * apart, ["c"]) * (1.0 / columns)
        result = apart / (variance + 1e-5).sqrt()
        nest.write(
            result * nest.read(scale, [c]) + nest.read(shift, [c]), y, nest.indices
        )

    return make.kernel({"r": rows, "c": columns}, body, exact=False)


def elementwise(
    arrays: Sequence[Array],
    output: Array,
    body: Callable[[Sequence[Scalar]], Scalar],
    exact: bool = True,
) -> Kernel:
    """`output[i] = body(arrays[0][i], …)` over one dimension."""
    make = Maker()
    tensors = [make.tensor(a) for a in arrays]
    result = make.tensor(output)

    def write(nest: Nest) -> None:
        values = [nest.read(t, nest.indices) for t in tensors]
        nest.write(body(values), result, nest.indices)

    return make.kernel({"i": output.shape[0]}, write, exact)


small = st.integers(1, 6)
middle = st.integers(1, 40)


@st.composite
def convolutions(draw: Draw) -> Kernel:
    block = draw(st.sampled_from([1, 2, 4, 8]))
    window = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = draw(st.integers(3, 9)), draw(st.integers(3, 9))
    channels = block * draw(st.integers(1, 3)), block * draw(st.integers(1, 3))
    return conv(
        channels, size, window, draw(st.integers(1, 2)), draw(st.integers(0, 2)), block
    )


@st.composite
def reductions(draw: Draw) -> Kernel:
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    over = draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, unique=True))
    kind, dtype = draw(
        st.sampled_from(
            [
                (k, t)
                for k in ("add", "max", "min")
                for t in (np.float32, np.int32, np.int8, np.float64)
            ]
            + [(k, np.bool_) for k in ("and", "or", "max", "min")]
        )
    )
    return reduction(sizes, over, kind, dtype)


KERNELS: dict[str, st.SearchStrategy[Kernel]] = {
    "matmul": st.builds(
        matmul, small, middle, small, st.sampled_from([np.float32, np.int32])
    ),
    "conv": convolutions(),
    "softmax": st.builds(softmax, small, middle),
    "kept_powers": st.builds(kept_powers, small, middle, st.booleans()),
    "normalization": st.builds(normalization, small, middle),
    "reduction": reductions(),
    "reshape": st.builds(reshape, small, middle, small),
    "gather": st.builds(gather, small, small, middle),
    "gather_blocks": st.builds(gather_blocks, small, small, st.integers(1, 10)),
    "scatter": st.builds(scatter, small, small, middle, st.booleans()),
    "padded": st.builds(padded, small, middle, small, small),
    "upsampled": st.builds(upsampled, small, st.integers(1, 12), st.integers(1, 4)),
    "centered": st.builds(centered, small, st.integers(1, 20)),
    "several": st.builds(several, small, middle),
    "reduced_and_copied": st.builds(reduced_and_copied, small, middle),
    "chained": st.builds(chained, small, middle),
    "counted": st.builds(counted, small, small, small),
    "ranking": st.builds(ranking, small, st.integers(4, 20), st.integers(1, 4)),
}


@st.composite
def schedules(draw: Draw, nest: NestOp, items: bool = False) -> str:
    """A legal schedule for `nest`: every mapping that its dimensions allow."""
    if _in_order(nest):
        return ""
    names = [d.name_hint or "" for d in nest.dims]
    sizes = dict(zip(names, nest.extents, strict=True))
    vector = draw(st.sampled_from([*names, None]))
    lanes = draw(st.sampled_from([2, 4, 8, 16]))
    mappings = ["parallel", "serial", "serial"] + ["item"] * items
    walks: list[str] = []
    registers: list[str] = []
    room = MOST_REGISTERS
    for name in names:
        left = sizes[name]
        for _ in range(draw(st.integers(0, 2))):
            step = draw(st.integers(1, max(1, left)))
            step = draw(st.sampled_from([step, 1, lanes if name == vector else 2]))
            left = min(left, step)
            walks.append(f"{draw(st.sampled_from(mappings))} {name} by {step}")
        own = lanes if name == vector else 1
        if -(-left // own) <= room and draw(st.booleans()):
            room //= -(-left // own)
            registers.append(f"unroll {name} by {own}")
    walks = draw(st.permutations(walks))
    if vector is not None:
        registers.append(f"vector {vector} by {lanes}")
    return ", ".join([*walks, *draw(st.permutations(registers))])


def _in_order(nest: NestOp) -> bool:
    """Whether points must run one after the other: data decides where they write."""
    ops = list(nest.body.block.ops)
    written = {op.buffer for op in ops if isinstance(op, WriteOp)}
    read = {op.buffer for op in ops if isinstance(op, ReadOp)}
    dynamic = any(
        index not in nest.dims
        for op in ops
        if isinstance(op, WriteOp)
        for index in op.indices
    )
    return dynamic or bool(written & read)


@st.composite
def scheduled_kernels(draw: Draw, items: bool = False) -> Kernel:
    """A random kernel with a random schedule."""
    kernel = draw(KERNELS[draw(st.sampled_from(sorted(KERNELS)))])
    return kernel.scheduled(draw(schedules(kernel.nest, items)))
