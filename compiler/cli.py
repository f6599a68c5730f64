"""
`ovc`: the command line.

Exit codes: 0 done; 1 a file, network or device is at fault, said in one sentence on the
error output; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ..runtime.errors import OvcError
from .commands.bench import bench_command
from .commands.compile import compile_command
from .commands.console import fail
from .commands.convert import convert_command
from .commands.devices import devices_command
from .commands.explain import explain_command, opt_log_command
from .commands.inspect import inspect_command
from .commands.run import run_command
from .commands.shadow import warn_of_shadowing

DEBUG = "--debug"


def with_dashes(word: str) -> str:
    """The Model Optimizer's `--input_shape` for `--input-shape`."""
    return word.replace("_", "-")


app = typer.Typer(
    name="ovc",
    help="Compile trained neural networks and run them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": with_dashes,
    },
)
app.command("compile")(compile_command)
app.command("convert")(convert_command)
app.command("run")(run_command)
app.command("explain")(explain_command)
app.command("opt-log")(opt_log_command)
app.command("inspect")(inspect_command)
app.command("devices")(devices_command)
app.command("bench")(bench_command)


def _version(wanted: bool) -> None:
    if wanted:
        from ovc import __version__

        typer.echo(f"ovc {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show it."),
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Compile trained neural networks and run them."""
    warn_of_shadowing()


def main() -> None:
    """Run the command line and exit."""
    arguments = [a for a in sys.argv[1:] if a != DEBUG]
    debug = len(arguments) < len(sys.argv) - 1 or bool(os.environ.get("OVC_DEBUG"))
    try:
        app(arguments, prog_name="ovc")
    except Exception as problem:
        if debug:
            raise
        sys.exit(_explain(problem))


def _explain(problem: Exception) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(problem, OvcError):
        fail(str(problem))
    elif isinstance(problem, OSError):
        fail(f"{problem.filename or 'the output'}: {problem.strerror or problem}")
    elif isinstance(problem, MemoryError):
        fail("there is not enough memory for this network")
    else:
        fail(
            f"{type(problem).__name__}: {str(problem).strip() or 'no message'}\n"
            f"This is a mistake in ovc. Please report it with the output of {DEBUG}."
        )
    return 1


if __name__ == "__main__":
    main()
