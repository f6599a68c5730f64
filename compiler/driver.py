"""
From a model file to an artifact: the pipelines, and how the last IR becomes bytes.

A pipeline is text that can be pasted after `ovc-opt -p`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from ..backends.target import Target
from ..dialects.kernel.loops import FuncOp
from ..runtime.artifact import (
    Artifact,
    Manifest,
    Source,
)
from ..runtime.errors import CompileError
from .cache import object_cache
from .collector import rare_collections
from .frontends.base import Model
from .kept import kept_network
from .optimizer import optimize
from .options import CompileOptions, PassReport
from .passes.schedule_nests import ScheduleNestsPass, TunedNests
from .passes.use_winograd import UseWinogradPass
from .pipeline import Pipeline, Step, parse_pipeline
from .planned import Plan, kernel_of
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
    'share-kernels,schedule-nests{{target="{target}"}},kernels,'
    "plan-memory,apply-schedule,plan"
)
"""From a network to launches of kernels."""

HALVES = "halve-weights,read-halves"
"""Before the layouts are chosen, for weights stored as half."""


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
    kept = kept_network(path, target, options)
    found = kept.find() if kept else None
    if found is not None:
        return found
    artifact = compile_anew(path, target, options)
    if kept:
        kept.add(artifact)
    return artifact


def compile_anew(path: Path, target: str, options: CompileOptions) -> Artifact:
    """`compile_file` without a look at the networks that were compiled before."""
    options.observer.started("read", 0, 1)
    with rare_collections():
        return compile_module(read_model(path, options), target, options)


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
    """
    Compile an imported model, which is used up.

    Raises:
        CompileError: two outputs have one name.
    """
    check_output_names(model)
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


def check_output_names(model: Model) -> None:
    """Refuse outputs of one name: results are found by their names."""
    names = [port.name for port in model.outputs]
    for name in names:
        if names.count(name) > 1:
            raise CompileError(
                f"{model.source}: there are two outputs '{name}'; rename one with an "
                f"Identity node, or choose outputs with --output {name}"
            )


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
        weights_bytes=plan.weights_bytes,
        kernels=tuple(map(kernel_of, funcs)),
        launches=tuple(plan.launches),
        weights=tuple(plan.weights),
        source=Source(model.source.name, model.sha256),
        facts=target.facts(),
        options=options.recorded | tuned,
        passes=passes,
        ovc=ovc_version(),
    )
    return Artifact(manifest, text, code(), plan.packed_weights())


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
