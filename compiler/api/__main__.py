"""`python -m ovc`: the command line."""

from ovc.compiler.cli import main

if __name__ == "__main__":
    main()
