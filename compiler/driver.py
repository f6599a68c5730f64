"""
From a model file to an artifact: the pipelines, and how the last IR becomes bytes.

A pipeline is text that can be pasted after `ovc-opt -p`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ..backends.target import Target
from ..dialects.kernel.loops import FuncOp
from ..dialects.plan import BufferOp, InputOp, LaunchOp, OutputOp, WeightOp
from ..dialects.types import buffer_bytes, buffer_type, dtype_of
from ..runtime.artifact import (
    Artifact,
    Buffer,
    Kernel,
    Launch,
    Manifest,
    Port,
    Source,
    Weight,
)
from ..runtime.errors import CompileError
from .cache import object_cache
from .collector import rare_collections
from .frontends.base import Model
from .interpreter import input_names, main_function, output_names
from .kept import kept_network
from .optimizer import optimize
from .options import CompileOptions, PassReport
from .passes.plan_memory import root_of
from .passes.schedule_nests import ScheduleNestsPass, TunedNests
from .passes.use_winograd import UseWinogradPass
from .pipeline import Pipeline, Step, parse_pipeline
from .prepare import left_out
from .registry import PASSES, make_context
from .schedule.algorithms import TunedWinograd
from .schedule.table import Table
from .schedule.tuner import Budget
from .targets import find_target, target_name
from .text import text_of

NETWORK = (
    "infer-shapes,fold-constants,dce,cse,remove-identity,"
    "fold-preprocessing,fold-constants,"
    "recognize-activations,recognize-layer-norm,recognize-group-norm,"
    "recognize-shuffle,turn-products,cancel-transposes,"
    "trim-kernels,decompose-linear,fold-constants,merge-linear,fold-constants,"
    "fuse-linear,fold-constants,merge-linear{pairs=true},fold-constants,"
    "move-strides,fuse-groups,fuse-horizontal,recognize-attention,"
    "fold-constants,cse,dce"
)
"""The generic passes; `--pipeline` replaces them."""

LOWERING = (
    "network,require-shapes,remove-empty,decompose,infer-shapes,fold-constants,"
    "remove-identity,cse,dce,defer-division,"
    'use-winograd{{target="{target}" choose="{winograd}"}},'
    'use-strassen{{target="{target}" choose="{strassen}"}},skip-padding,'
    'copy-outputs,assign-layouts{{target="{target}"}},block-rows{{target="{target}"}},'
    "place-parts,fuse-epilogues,legal,"
    'lower-kernels,expand-math{{target="{target}"}},legalize-scalars,'
    'drop-copies{{target="{target}"}},chain-nests{{target="{target}"}},'
    'schedule-nests{{target="{target}"}},kernels,'
    "plan-memory,apply-schedule,plan"
)
"""From a network to launches of kernels."""

HALVES = "halve-weights,read-halves"
"""Before the layouts are chosen, for weights stored as half."""

SMALL = 200_000
"""Operations and bytes below which a launch is not worth a second thread."""

ALIGNMENT = 64


def read_model(path: Path, options: CompileOptions | None = None) -> Model:
    """
    Read a model file, cut where the options say so.

    Raises:
        ImportFailure: it cannot be read. The message starts with the file.
    """
    if path.suffix == ".mlir":
        return read_text(path)
    from .frontends.onnx import import_onnx

    if options is None:
        return import_onnx(path)
    ends = options.conversion
    return import_onnx(
        path, options.input_shapes, inputs=ends.inputs, outputs=ends.outputs
    )


def read_text(path: Path) -> Model:
    """The network that `ovc convert` wrote as text."""
    from .exporters.to_ir import read_ir

    module = read_ir(path)
    return Model(module, path, sha256(path.read_bytes()).hexdigest())


def compile_file(path: Path, target: str, options: CompileOptions) -> Artifact:
    """
    Compile a model file for a target.

    Raises:
        OvcError: the file, its operations or the options do not allow it.
    """
    options.observer.started("read", 0, 1)
    kept = kept_network(path, target, options)
    found = kept.find() if kept else None
    if found is not None:
        return found
    with rare_collections():
        artifact = compile_module(read_model(path, options), target, options)
    if kept:
        kept.add(artifact)
    return artifact


def passes_text(target: str, options: CompileOptions) -> str:
    """All passes and stages of this compilation."""
    name, network = target_name(target, options), network_text(options)
    ways = options.winograd, options.strassen
    return pipeline_text(name, network, options.conversion.data_type, *ways)


def network_text(options: CompileOptions) -> str:
    """The generic passes that the options leave, as `ovc-opt -p` takes them."""
    if options.pipeline is not None:
        return options.pipeline
    off = left_out(options.conversion)
    passes = parse_pipeline(NETWORK, PASSES).steps
    return str(Pipeline(tuple(p for p in passes if p.name not in off)))


def pipeline_text(
    target: str,
    network: str | None = None,
    data_type: str = "FP32",
    winograd: str = "auto",
    strassen: str = "auto",
) -> str:
    """All passes and stages of a compilation, as `ovc-opt -p` takes them."""
    if data_type == "FP16":
        winograd = strassen = "never"  # their weights take more room
    lowering = LOWERING.format(target=target, winograd=winograd, strassen=strassen)
    if data_type == "FP16":
        lowering = lowering.replace("copy-outputs", f"{HALVES},copy-outputs", 1)
    return f"{network or NETWORK},{lowering}"


def optimize_model(model: Model, options: CompileOptions) -> list[PassReport]:
    """Apply the options to an imported model and run the generic passes, in place."""
    pipeline = parse_pipeline(network_text(options), PASSES)
    return optimize(model.module, pipeline, options, model.source.stem)


def compile_module(model: Model, target: str, options: CompileOptions) -> Artifact:
    """Compile an imported model, which is used up."""
    facts = find_target(target_name(target, options))
    text = passes_text(target, options)
    optimize_model(model, options)
    network = network_text(options)
    lowering = parse_pipeline(text.removeprefix(f"{network},"), PASSES)
    table = tuned_table(target, options)
    if table is not None:
        lowering = tuned_lowering(
            lowering, target_name(target, options), table, options
        )
    reports = lowering.run(
        model.module,
        make_context(),
        options.observer,
        verify_each=options.check_every_pass,
    )
    options.observer.started("code", len(reports), len(reports) + 1)
    return emit(model, facts, options, tuple(text.split(",")), table)


def tuned_table(target: str, options: CompileOptions) -> Table | None:
    """
    The schedules that were tuned on this machine; None when there are none to use.

    Raises:
        CompileError: the options ask to tune for a processor that is not this one.
    """
    if options.tune is not None and (target != "cpu" or options.cpu is not None):
        raise CompileError("only schedules for this machine's CPU can be tuned")
    if options.cache is None:
        if options.tune is not None:
            raise CompileError("tuning needs a cache folder to keep what it finds")
        return None
    table = Table.read(options.cache, ovc_version())
    return None if table.is_empty and options.tune is None else table


def tuned_lowering(
    lowering: Pipeline, target: str, table: Table, options: CompileOptions
) -> Pipeline:
    """The same passes, those that a table helps with its help."""
    budget = None
    if options.tune is not None:
        budget = Budget.of(options.tune, options.observer)

    def lower(module: ModuleOp, winograd: str) -> None:
        text = pipeline_text(target, "", winograd=winograd).lstrip(",")
        parse_pipeline(text, PASSES).run(module, make_context())

    def tuned(step: Step) -> Step:
        match step:
            case ScheduleNestsPass():
                return TunedNests(table, target, budget)
            case UseWinogradPass(choose="auto"):
                return TunedWinograd(
                    target, error=step.error, table=table, budget=budget, lower=lower
                )
            case _:
                return step

    return Pipeline(tuple(map(tuned, lowering.steps)))


def emit(
    model: Model,
    target: Target,
    options: CompileOptions,
    passes: tuple[str, ...],
    table: Table | None = None,
) -> Artifact:
    """The artifact of a module at stage `plan`, made with the help of `table`."""
    tuned: dict[str, int] = {}
    if table and (table.used or table.layers_used):
        tuned = {"tuned_kernels": table.used, "tuned_layers": table.layers_used}
    funcs = [op for op in model.module.body.block.ops if isinstance(op, FuncOp)]
    code = start_code(funcs, target, options.cache)
    text = text_of(model.module)
    plan = Plan.of(model.module, funcs)
    manifest = Manifest(
        target=target.name,
        inputs=plan.inputs,
        outputs=plan.outputs,
        arena_bytes=plan.arena_bytes,
        weights_bytes=sum(len(part) for part in plan.weight_parts),
        kernels=tuple(map(_kernel, funcs)),
        launches=tuple(plan.launches),
        weights=tuple(plan.weights),
        source=Source(model.source.name, model.sha256),
        facts=target.facts(),
        options=options.recorded | tuned,
        passes=passes,
        ovc=ovc_version(),
    )
    weights = np.frombuffer(b"".join(plan.weight_parts), np.uint8)
    return Artifact(manifest, text, code(), weights)


def start_code(
    funcs: list[FuncOp], target: Target, folder: Path | None
) -> Callable[[], bytes]:
    """
    Begin to make the code entry of an artifact: object files, or OpenCL C.

    The function returned waits for it. Objects are kept in `folder`, if it is given.
    """
    if target.name == "cpu":
        from ..backends.cpu.codegen import start

        return start(funcs, target, None if folder is None else object_cache(folder))
    from ..backends.ocl.codegen import program

    code = program(funcs).encode()
    return lambda: code


def ovc_version() -> str:
    """The version of this compiler."""
    try:
        return version("ovc-compiler")
    except PackageNotFoundError:
        return "0"


@dataclass
class Plan:
    """What the manifest says about a planned module."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    grids: dict[str, tuple[int, int]]
    """Position and grid of each kernel by name."""
    launches: list[Launch] = field(default_factory=list[Launch])
    weights: list[Weight] = field(default_factory=list[Weight])
    weight_parts: list[bytes] = field(default_factory=list[bytes])
    arena_bytes: int = 0
    offsets: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])

    @staticmethod
    def of(module: ModuleOp, funcs: list[FuncOp]) -> Plan:
        main = main_function(module)
        ops = list(main.body.block.ops)
        inputs: dict[int, SSAValue] = {
            op.index.data: op.result for op in ops if isinstance(op, InputOp)
        }
        outputs: dict[int, SSAValue] = {
            op.index.data: op.result for op in ops if isinstance(op, OutputOp)
        }
        original = main.attributes
        plan = Plan(
            _ports(input_names(main), inputs, original.get("input_types")),
            _ports(output_names(main), outputs, None),
            {f.sym_name.data: (i, f.grid) for i, f in enumerate(funcs)},
        )
        for op in ops:
            if isinstance(op, WeightOp):
                plan._weight(op)
            elif isinstance(op, BufferOp) and op.offset is not None:
                offset = op.offset.value.data
                plan.offsets[op.result] = offset
                plan.arena_bytes = max(
                    plan.arena_bytes, offset + buffer_bytes(op.result)
                )
            elif isinstance(op, LaunchOp):
                plan._launch(op)
        plan.arena_bytes = -(-plan.arena_bytes // ALIGNMENT) * ALIGNMENT
        return plan

    def _weight(self, op: WeightOp) -> None:
        array = op.value.data.array
        offset = sum(map(len, self.weight_parts))
        data = array.tobytes()
        self.offsets[op.result] = offset
        name = f"w{len(self.weights)}"
        self.weights.append(Weight(name, offset, len(data)))
        self.weight_parts.append(data + bytes(-len(data) % ALIGNMENT))

    def _launch(self, op: LaunchOp) -> None:
        kernel, grid = self.grids[op.kernel_name]
        buffers = tuple(self._buffer(b) for b in op.buffers)
        flops = op.flops.value.data
        moved = sum(b.bytes for b in buffers)
        layers = tuple(name.data for name in op.layers)
        operations = tuple(name.data for name in op.operations or ())
        parallel = grid > 1 and max(flops, moved) > SMALL
        self.launches.append(
            Launch(kernel, buffers, grid, parallel, flops, moved, layers, operations)
        )

    def _buffer(self, value: SSAValue) -> Buffer:
        root = root_of(value)
        size = buffer_bytes(value)
        match root.owner:
            case InputOp():
                return Buffer("input", root.owner.index.data, size)
            case OutputOp():
                return Buffer("output", root.owner.index.data, size)
            case WeightOp():
                return Buffer("weights", self.offsets[root], size)
            case _:
                return Buffer("arena", self.offsets[root], size)


def _kernel(func: FuncOp) -> Kernel:
    schedule = func.schedule.data if func.schedule else ""
    return Kernel(func.sym_name.data, len(func.body.block.args), func.items, schedule)


def _ports(
    names: Iterable[str], values: dict[int, SSAValue], types: object
) -> tuple[Port, ...]:
    ports: list[Port] = []
    for index, name in enumerate(names):
        type_ = buffer_type(values[index])
        dtype = dtype_of(type_.element_type)
        ports.append(Port(name, type_.get_shape(), str(dtype)))
    return tuple(ports)
