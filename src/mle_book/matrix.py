"""Does every notebook give the stored outputs on other platforms too?

``python -m mle_book.matrix`` re-executes every notebook strictly, as `make test` does:
on each CPU path that torch chooses between, with one thread and with two; on the other
Pythons, 3.11 to 3.13, that are installed; and with the versions that Colab has, on
another Python if there is one, the self-contained notebooks too. The last two get the
torch that is here, in environments of their own under ``.venv/matrix``. It prints a
table and fails if a cell differs.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(".venv/matrix")  # `make book` empties _build
SOURCE = str(Path("src").resolve())  # a kernel runs in the folder of its notebook
COLAB = "tests/colab-versions.txt"
BOOK = ("--nbval", "--nbval-current-env", "book")
ALONE = ("tests/editions",)
CAPABILITIES = ("default", "avx2", "avx512")  # torch falls back where the CPU lacks one


@dataclass
class Environment:
    """A Python with packages, the settings to run it under, and what to run."""

    name: str
    python: Path
    settings: dict[str, str] = field(default_factory=dict)
    tests: tuple[str, ...] = BOOK


class SetUpError(Exception):
    """An environment that could not be made; the message says why."""


def environments() -> Iterator[Environment]:
    """Yield the environments to test in; make those that are not there yet."""
    for capability, threads in itertools.product(CAPABILITIES, ("1", "2")):
        settings = {"ATEN_CPU_CAPABILITY": capability, "OMP_NUM_THREADS": threads}
        name = f"{capability}, {threads} thread" + "s" * (threads == "2")
        yield Environment(name, Path(sys.executable), settings)
    other = sys.executable
    for minor in {11, 12, 13} - {sys.version_info.minor}:
        python = f"python3.{minor}"
        try:
            output_of(python, "--version")
        except (SetUpError, FileNotFoundError):
            print(f"{python} is not installed", flush=True)
            continue
        yield Environment(python, made(python, python, "requirements.lock"))
        other = python
    colab = made("colab", other, COLAB)
    yield Environment("Colab's versions", colab)
    settings = {"NOTEBOOK_PYTHON": str(colab.absolute())}
    yield Environment("Colab's, alone", Path(sys.executable), settings, ALONE)


def output_of(*command: str) -> str:
    """Return what `command` prints; raise `SetUpError` when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetUpError(f"{' '.join(command[:4])} ...: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def made(name: str, python: str, pins: str) -> Path:
    """Return the Python of the environment `name` with the versions in `pins`."""
    folder = HERE / name
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "ready").exists():
        print(f"  making {folder}", flush=True)
        output_of(python, "-m", "venv", str(folder))
        install = [str(inside), "-m", "pip", "install", "-q", "-c", pins]
        output_of(*install, "--upgrade", "pip")
        output_of(
            *install, "--group", "test", f"torch=={version('torch').split('+')[0]}"
        )
        (folder / "ready").touch()
    return inside


def run(environment: Environment) -> tuple[int, list[str]]:
    """Return how many cells were compared, and the names of those that differed."""
    report = HERE / "report.xml"
    report.unlink(missing_ok=True)
    command = [str(environment.python), "-m", "pytest", *environment.tests]
    options = ["-n", "2", "--dist", "loadfile", "-q", "-p", "no:cacheprovider"]
    options += ["-W", "default"]  # older packages warn; outputs are what counts here
    done = subprocess.run(
        [*command, *options, f"--junitxml={report}"],
        env={**os.environ, "PYTHONPATH": SOURCE, **environment.settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.exists():
        raise SetUpError(f"pytest did not run: {(done.stdout + done.stderr)[-300:]}")
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = [case for case in cases if any(child.tag != "skipped" for child in case)]
    return len(cases), [f"{case.get('classname')} {case.get('name')}" for case in bad]


def main() -> int:
    """Print the table; return 1 if anything differed or could not be run."""
    HERE.mkdir(parents=True, exist_ok=True)
    rows, failed = [], False
    try:
        for environment in environments():
            print(f"{environment.name} ...", flush=True)
            cells, different = run(environment)
            failed |= bool(different) or not cells
            rows.append((environment.name, str(cells), str(len(different))))
            print("".join(f"  differs: {name}\n" for name in different), end="")
    except SetUpError as error:
        print(f"stopped: {error}", file=sys.stderr)
        failed = True
    print(f"\n{'environment':<24}{'cells compared':>16}{'differences':>14}")
    for row in rows:
        print(f"{row[0]:<24}{row[1]:>16}{row[2]:>14}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
