"""Run cells in a kernel, and after each question its checks; print what these say.

`mle_book.grade` starts this program beside student code, inside bubblewrap where there
is one. So it imports nothing of the book, which is not to be seen there.
"""

import builtins
import json
import sys
from contextlib import suppress
from subprocess import DEVNULL
from unittest.mock import Mock

from IPython import get_ipython
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import ExecutionResult
from IPython.display import display
from nbclient import NotebookClient
from nbformat import NotebookNode, v4

SAID = "application/x-said+json"  # what checks say, among the outputs of a cell


class Judge:
    """Checks what a student's code leaves, by the given names as they were given."""

    def __init__(self, user: dict, given: list[str], stubs: list[str]) -> None:
        """Judge the namespace `user`, which begins with what was handed out."""
        self.user, self.stopped = user, []
        self.given: dict = {"__name__": "__main__"}
        for source in given:
            with suppress(Exception):  # it needs an answer
                exec(TransformerManager().transform_cell(source), self.given)
        user.update(self.given)
        for source in stubs:
            exec(source, user)

    def note(self, result: ExecutionResult) -> None:
        """Remember what stopped a cell, for the next question."""
        if error := result.error_before_exec or result.error_in_exec:
            self.stopped.append(f"a cell stopped: {self.said(error)}")

    def said(self, error: BaseException) -> str:
        """Return an exception in a line; an assertion's message alone."""
        kind, message = type(error).__name__, " ".join(str(error).split())
        if not (kind == "AssertionError" and message):
            message = f"{kind}: {message}" if message else kind
        return message[:300].encode("utf-8", "backslashreplace").decode()

    def check(self, code: str) -> str:
        """Run a check; return what it says, or "" where it passes."""
        own = {k: v for k, v in self.user.items() if not hasattr(builtins, k)}
        try:
            exec(code, own | self.given)
        except BaseException as error:  # an interrupt too: it ends only the check
            return self.said(error)
        return ""

    def tell(self, question: str, codes: list[str]) -> None:
        """Leave what stopped the cells of a question, and what its checks say."""
        said = [self.check(code) for code in codes]
        display({SAID: [question, self.stopped, said]}, raw=True)
        self.stopped = []


def begin(given: list[str], stubs: list[str]) -> None:
    """Put a judge into this kernel."""
    colab = Mock()  # for `from google.colab import drive`
    sys.modules |= {"google": Mock(colab=colab), "google.colab": colab}
    shell = get_ipython()
    shell.judge = Judge(shell.user_ns, given, stubs)
    shell.events.register("post_run_cell", shell.judge.note)
    shell.judge.tell("", [])


def main() -> None:
    """Run the cells that come as JSON; print what checks say, a line of JSON each."""
    told = json.load(sys.stdin)

    def look(cell: NotebookNode, **_: object) -> None:
        for output in cell.outputs:
            if said := output.get("data", {}).get(SAID):
                print(json.dumps(said), flush=True)
        cell.outputs = []

    code = f"__import__('runpy').run_path({__file__!r})['begin'](*{told['handed_out']})"
    ours, *theirs = map(v4.new_code_cell, [code, *told["cells"]])
    NotebookClient(
        v4.new_notebook(cells=[ours, *theirs]),
        kernel_name="python3",
        timeout_func=lambda cell: None if cell is ours else told["time"],
        interrupt_on_timeout=True,
        allow_errors=True,
        on_cell_executed=look,
    ).execute(stdout=DEVNULL, stderr=DEVNULL)  # the kernel cannot print here


if __name__ == "__main__":
    main()
