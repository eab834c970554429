"""What the command line says of itself."""

import re
import subprocess
import sys
import time

import pytest

from lightning_app.__main__ import main
from lightning_app.usage import DESCRIPTION, OVERVIEW, SUBCOMMANDS

pytestmark = pytest.mark.usefixtures("command_line")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_overview_is_there_at_once(flag: str) -> None:
    """6 s is what a newcomer should wait at most; nothing heavy is imported for it."""
    start = time.monotonic()
    code = (
        "import sys; from lightning_app.__main__ import main; main(); "
        "assert not {'torch', 'pytorch_lightning', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == OVERVIEW
    assert time.monotonic() - start < 6


def test_the_overview_names_every_command_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    from lightning_app.cli import ArchitectureCLI

    assert set(SUBCOMMANDS) == set(ArchitectureCLI.subcommands())
    main(["--help"])
    shown = capsys.readouterr().out
    assert DESCRIPTION in shown
    assert re.findall(r"^  (\w+) +\w", shown, re.MULTILINE)[: len(SUBCOMMANDS)] == [*SUBCOMMANDS]


def test_help_of_a_subcommand_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["predict", "--help"])
    assert exit_.value.code == 0
    assert SUBCOMMANDS["predict"] in " ".join(capsys.readouterr().out.split())


def test_ctrl_c_while_torch_is_imported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(args: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lightning_app.cli.main", stopped)
    with pytest.raises(SystemExit) as exit_:
        main(["fit"])
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "lightning: stopped by Ctrl-C\n"
