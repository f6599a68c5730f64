"""
Give a network's inputs the sizes that its file leaves open.

    main(%x: tensor<?x3x?x?xf32, #nn.symbols<"n", "", "h", "w">>)
      ==>  main(%x: tensor<1x3x320x320xf32>)        with x:1x3x320x320

A named dimension has one size wherever the name occurs, so fixing one input may fix
others. What follows from the new sizes is the business of `infer-shapes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block
from xdsl.passes import ModulePass

from ...dialects.nn.symbols import UNNAMED, dims_of, tensor_with_symbols
from ...runtime.errors import CompileError
from ..interpreter import input_names, main_function
from ..options import is_place, parse_input_shapes

Dims = tuple[int | str, ...]
Shapes = Mapping[str, Sequence[int]]

MAX_ELEMENTS = 2**40
"""No tensor has more elements; a larger one is a mistake in the shape."""


def fix_shapes(module: ModuleOp, shapes: Shapes) -> None:
    """
    Retype the arguments of `main`, in place.

    Raises:
        CompileError: an unknown input, another rank, a size that contradicts the model
            or another input's. The message names the input.
    """
    function = main_function(module)
    names = input_names(function)
    shapes = named_shapes(names, shapes)
    for name in shapes:
        _check_known(name, names)
    arguments = function.body.block.args
    types = dict(zip(names, (a.type for a in arguments), strict=True))
    sizes: dict[str, tuple[int, str]] = {}
    for name, shape in shapes.items():
        _bind(name, types[name], tuple(int(d) for d in shape), sizes)
    for argument, name in zip(arguments, names, strict=True):
        type_ = _fixed(types[name], shapes.get(name), sizes)
        argument._type = type_  # pyright: ignore[reportPrivateUsage]
    _update_signature(function)


def shapes_by_tensor(
    names: Sequence[str], cut: Sequence[str], shapes: Shapes
) -> dict[str, Sequence[int]]:
    """
    Shapes by input name, also those given for a layer whose tensor became an input.

    Args:
        names: of the inputs; the first are those of `cut`, in its order.
        cut: what the user called them.
    """
    shapes = named_shapes(cut or names, shapes)
    return {
        names[cut.index(n)] if n in cut and n not in names else n: shape
        for n, shape in shapes.items()
    }


def named_shapes(names: Sequence[str], shapes: Shapes) -> dict[str, Sequence[int]]:
    """
    Shapes without a name go to the inputs that have none yet, in order.

    Raises:
        CompileError: there are more or fewer of them than such inputs.
    """
    places = [name for name in shapes if is_place(name) and name not in names]
    free = [name for name in names if name not in shapes]
    if not places:
        return dict(shapes)
    if len(places) != len(free):
        count = f"{len(places)} shape{'s' if len(places) > 1 else ''} without a name"
        inputs = f"{len(free)} input{'s' if len(free) != 1 else ''}"
        raise CompileError(
            f"--input-shape: {count} for {inputs}; "
            f"give one for each in order, or name them: {', '.join(names)}"
        )
    found = dict(zip(places, free, strict=True))
    return {found.get(name, name): shape for name, shape in shapes.items()}


def require_static(module: ModuleOp) -> None:
    """
    Check that every input's shape is known.

    Raises:
        CompileError: one is not. The message names the input, the dimension and the
            flag to add.
    """
    function = main_function(module)
    for name, argument in zip(
        input_names(function), function.body.block.args, strict=True
    ):
        type_ = argument.type
        if not isinstance(type_, TensorType):
            raise CompileError(
                f'input "{name}": its number of dimensions is unknown; '
                f"add --input-shape {name}:..., for example {name}:1x3x224x224"
            )
        dims = dims_of(type_)  # pyright: ignore
        for index, dim in enumerate(dims):
            if isinstance(dim, str):
                raise CompileError(
                    f'input "{name}": dimension {index} ("{dim}") is symbolic; '
                    f"add --input-shape {name}:{example_shape(dims)}"
                )


def example_shape(dims: Dims) -> str:
    """
    A shape as in `--input-shape`, with likely sizes for the unknown ones: 1 for the
    batch, 224 for the sides of an image, 128 for the length of a sequence.
    """
    image = len(dims) == 4
    sizes = [
        d if isinstance(d, int) else 1 if i == 0 else 224 if image else 128
        for i, d in enumerate(dims)
    ]
    return "x".join(map(str, sizes))


@dataclass(frozen=True)
class FixShapesPass(ModulePass):
    """Fix input shapes given as `NAME:1x3x320x320`."""

    name = "fix-shapes"

    shapes: tuple[str, ...] = ()
    """One per input, as in the command line's `--input-shape`."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        fix_shapes(op, parse_input_shapes(self.shapes))


def _check_known(name: str, names: Sequence[str]) -> None:
    if name in names:
        return
    close = get_close_matches(name, names, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"inputs: {', '.join(names)}"
    raise CompileError(f'input "{name}": the network has no such input; {hint}')


def _bind(
    name: str,
    type_: Attribute,
    shape: tuple[int, ...],
    sizes: dict[str, tuple[int, str]],
) -> None:
    """Check one shape against the model's; remember the sizes of named dimensions."""
    _check_sizes(name, shape)
    if not isinstance(type_, TensorType):
        return
    dims = dims_of(type_)  # pyright: ignore
    if len(dims) != len(shape):
        raise CompileError(
            f'input "{name}": shape {_text(shape)} has {len(shape)} dimensions, the '
            f"model's {_text(dims)} has {len(dims)}"
        )
    for index, (dim, size) in enumerate(zip(dims, shape, strict=True)):
        if isinstance(dim, int):
            if dim != size:
                raise CompileError(
                    f'input "{name}": dimension {index} is {dim} in the model, '
                    f"not {size}"
                )
            continue
        if dim == UNNAMED:
            continue
        known, where = sizes.setdefault(dim, (size, name))
        if known != size:
            raise CompileError(
                f'input "{name}": dimension {index} ("{dim}") is {size}, but the same '
                f'dimension of input "{where}" is {known}'
            )


def _check_sizes(name: str, shape: tuple[int, ...]) -> None:
    elements = 1
    for size in shape:
        if size < 1:
            raise CompileError(
                f'input "{name}": shape {_text(shape)} has a dimension smaller than 1'
            )
        elements *= size
    if elements > MAX_ELEMENTS:
        raise CompileError(
            f'input "{name}": shape {_text(shape)} has {elements:.1e} elements, too many'
        )


def _fixed(
    type_: Attribute, shape: Sequence[int] | None, sizes: dict[str, tuple[int, str]]
) -> Attribute:
    element: Attribute = type_.element_type  # pyright: ignore
    if shape is not None:
        return TensorType(element, tuple(int(d) for d in shape))  # pyright: ignore
    if not isinstance(type_, TensorType):
        return type_
    dims: Dims = dims_of(type_)  # pyright: ignore
    known = [sizes[d][0] if isinstance(d, str) and d in sizes else d for d in dims]
    return tensor_with_symbols(known, element)  # pyright: ignore


def _update_signature(function: FuncOp) -> None:
    block: Block = function.body.block
    inputs = [a.type for a in block.args]
    outputs = function.function_type.outputs.data
    function.function_type = FunctionType.from_lists(inputs, list(outputs))


def _text(dims: Sequence[int | str]) -> str:
    return "x".join(map(str, dims)) or "scalar"
