"""
Kernels that hand large tensors on become one that does so block by block.

    plan.launch @scores(%q, %k, %s)          kernel.chain @chain_0(…) {
    plan.launch @softmax(%s, %p)       ==>     %s = kernel.local …
    plan.launch @output(%p, %v, %y)            kernel.stage @scores(…) … }
                                             plan.launch @chain_0(%q, %k, %v, %y)

A block of what is handed on never leaves the cache of the thread that wrote it. Chains
start from tensors that are too large for a cache; `compiler/schedule/chains.py` finds
them and weighs what they save against what is read again for every block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
)
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.passes import ModulePass

from ...dialects.kernel.chain import ChainOp, LocalOp, StageOp
from ...dialects.kernel.nest import NestOp, ReadOp, WriteOp
from ...dialects.kernel.schedule import LoopAttr, ScheduleAttr
from ...dialects.plan import LaunchOp
from ...dialects.types import buffer_type
from ..interpreter import main_function
from ..schedule.chains import Axis, Chain, Finder
from ..schedule.edit import set_indices
from ..schedule.links import Part
from ..targets import find_target


@dataclass(frozen=True)
class ChainNestsPass(ModulePass):
    """Chain the launches whose tensors are too large for a cache."""

    name = "chain-nests"

    target: str = "cpu"
    above: int | None = None
    """Bytes from which on a tensor is worth a chain; the target's cache by default."""
    scratch: int | None = None
    """Bytes that a block may take; those of the target by default."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = find_target(self.target)
        if self.scratch is not None:
            target = replace(target, scratch=self.scratch)
        if not target.scratch:
            return
        nests = {n.sym_name.data: n for n in op.body.block.ops if isinstance(n, NestOp)}
        main = main_function(op)
        launches = [o for o in main.body.block.ops if isinstance(o, LaunchOp)]
        least = target.cache if self.above is None else self.above
        writer = Writer(nests, main)
        for chain, steps in Finder(launches, nests, target).chains(least):
            writer.replace(chain, steps)
        writer.clean()


class Writer:
    """Puts chains in the place of launches."""

    def __init__(self, nests: dict[str, NestOp], main: Operation) -> None:
        self.nests, self.main = nests, main
        self.chains: dict[Any, str] = {}
        self.left: set[str] = set()

    def replace(self, chain: Chain, steps: Sequence[int]) -> None:
        """One launch in the place of the last one of `chain`."""
        local = [b for link in chain.links for b in link.buffers]
        buffers = [b for launch in chain.stages for b in launch.buffers]
        outer = [b for b in dict.fromkeys(buffers) if b not in local]
        kernels = tuple(launch.kernel_name for launch in chain.stages)
        ids = {b: number for number, b in enumerate([*outer, *local])}
        wiring = tuple(tuple(ids[b] for b in s.buffers) for s in chain.stages)
        key = kernels, wiring, tuple(steps)
        if key not in self.chains:
            self.chains[key] = f"chain_{len(self.chains)}"
            self._write(self.chains[key], chain, steps, outer)
        last = chain.stages[-1]
        launch = LaunchOp(
            self.chains[key],
            outer,
            sum(s.flops.value.data for s in chain.stages),
            list(dict.fromkeys(n.data for s in chain.stages for n in s.layers)),
            [n.data for s in chain.stages for n in s.operations or ()],
        )
        block = last.parent
        assert block is not None
        block.insert_op_before(launch, last)
        for op in [*chain.stages, *(b.owner for b in local)]:
            assert isinstance(op, Operation)
            block.erase_op(op)
        self.left |= set(kernels)

    def _write(
        self, name: str, chain: Chain, steps: Sequence[int], outer: Sequence[SSAValue]
    ) -> None:
        """The chain, and copies of its nests that are cut into blocks."""
        body = Block(arg_types=[b.type for b in outer])
        places: dict[SSAValue, SSAValue] = dict(zip(outer, body.args, strict=True))
        for number, link in enumerate(chain.links):
            for index, buffer in enumerate(link.buffers):
                type_ = buffer_type(buffer)
                shape = list(type_.get_shape())
                for axis, step in zip(chain.axes, steps, strict=True):
                    shape[axis.places[number][index]] = step
                local = LocalOp(MemRefType(type_.element_type, shape))
                body.add_op(local)
                places[buffer] = local.result
        for old, new in places.items():
            new.name_hint = old.name_hint
        copies: list[NestOp] = []
        axes = [
            (axis, step)
            for axis, step in zip(chain.axes, steps, strict=True)
            if step < axis.size
        ]
        for number, launch in enumerate(chain.stages):
            nest = self.nests[launch.kernel_name].clone()
            nest.properties["sym_name"] = StringAttr(f"{name}_{number}")
            parts = [chain.parts(axis)[number] for axis, _ in axes]
            loops = [
                LoopAttr.of("parallel", part.dim.name_hint or "", step)
                for part, (_, step) in zip(parts, axes, strict=True)
            ]
            nest.properties["schedule"] = ScheduleAttr(ArrayAttr(loops))
            inner = dict(zip(launch.buffers, nest.buffers, strict=True))
            for (axis, _), part in zip(axes, parts, strict=True):
                for buffer, place in _places(chain, axis):
                    if part.start and buffer in inner:
                        walk_from_zero(nest, inner[buffer], place, part)
            starts = [part.start for part in parts]
            body.add_op(
                StageOp(
                    f"{name}_{number}",
                    [places[b] for b in launch.buffers],
                    starts if any(starts) else (),
                )
            )
            copies.append(nest)
        module = self.main.parent
        assert module is not None
        module.insert_ops_before([*copies, ChainOp(name, Region([body]))], self.main)

    def clean(self) -> None:
        """Erase the nests that nobody launches any more."""
        used = {op.kernel_name for op in self.main.walk() if isinstance(op, LaunchOp)}
        for name in self.left - used:
            nest = self.nests[name]
            nest.detach()
            nest.erase()


def _places(chain: Chain, axis: Axis) -> Iterator[tuple[SSAValue, int]]:
    """The tensors of all links, and the dimension of each that an axis cuts."""
    for link, places in zip(chain.links, axis.places, strict=True):
        yield from zip(link.buffers, places, strict=True)


def walk_from_zero(nest: NestOp, buffer: SSAValue, place: int, part: Part) -> None:
    """`buffer[..., dim + start, ...]`  ==>  `buffer[..., dim, ...]`, in place."""
    dim = nest.dims[part.dim.index]
    for op in nest.body.block.ops:
        if not isinstance(op, ReadOp | WriteOp) or op.buffer is not buffer:
            continue
        indices = list(op.indices)
        if dim not in indices:
            indices.append(dim)
        results = list(op.map.data.results)
        results[place] = AffineExpr.dimension(indices.index(dim))
        op.properties["map"] = AffineMapAttr(AffineMap(len(indices), 0, tuple(results)))
        set_indices(op, indices)
