"""The command `lightning`, and `python -m lightning_app`."""

import sys
from importlib.metadata import version

from lightning_app.usage import OVERVIEW


def main(args: list[str] | None = None) -> None:
    """Run the command line; `args` are `sys.argv[1:]` by default."""
    given = sys.argv[1:] if args is None else args
    if given in (["-h"], ["--help"]):
        print(OVERVIEW, end="")
        return
    if given == ["--version"]:
        print(version("architecture-convergence"))
        return
    try:
        # torch and Lightning take seconds to import: not before they are needed.
        from lightning_app.cli import main as run

        run(args)
    except KeyboardInterrupt:
        sys.stderr.write("lightning: stopped by Ctrl-C\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
