"""Do the unit tests notice when the module is harmed?

``python -m mle_book.mutants`` has mutmut change `mle_helpers` in one place at a time
and run the unit tests on each such mutant, as ``[tool.mutmut]`` in ``pyproject.toml``
says, in the folder ``mutants``. It prints how many were killed, and each change that no
test saw. Left as they are: code outside functions, and functions with a decorator.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

MUTMUT = str(Path(sys.executable).with_name("mutmut"))
# A mutant that runs on and on, or that brings Python down, does not pass either.
KILLED = {"killed", "timeout", "segfault"}


def ask(*arguments: str) -> str:
    """Return what mutmut prints for a command."""
    command = [MUTMUT, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Mutate, test, and print the score and the survivors."""
    shutil.rmtree("mutants", ignore_errors=True)  # verdicts of other tests
    subprocess.run([MUTMUT, "run"], check=True)
    lines = ask("results", "--all", "true").splitlines()
    verdicts = dict(line.strip().split(": ") for line in lines)
    survivors = [name for name, verdict in verdicts.items() if verdict not in KILLED]
    for name in survivors:
        print(ask("show", name))
    total, killed = len(verdicts), len(verdicts) - len(survivors)
    print(f"{killed} of {total} mutants were killed, {killed / total:.1%}.")
    print(f"The {len(survivors)} others are above; tests/unit/mutants.md says why.")


if __name__ == "__main__":
    main()
