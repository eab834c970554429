"""Runs of the command line in children of a process that has imported everything already.

A start takes a fork instead of five seconds of imports. Requests and replies are lines of JSON:
`{"start": [arguments], "folder": …, "before": "Python to run first"}` gives the child's pid, and
`{"wait": pid}` its return code, as `subprocess` counts: minus the signal that killed it.
"""

import json
import os
import sys
import traceback
from typing import NoReturn

from lightning_app.cli import main


def child(request: dict) -> NoReturn:
    code = 1
    try:
        os.chdir(request["folder"])
        output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["lightning", *request["start"]]
        exec(request["before"], {"__name__": "before"})
        main()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            reply = os.waitstatus_to_exitcode(status)
        else:
            reply = os.fork() or child(request)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    serve()
