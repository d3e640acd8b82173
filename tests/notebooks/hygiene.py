"""What every notebook of the book must look like, one small function a rule.

A rule takes a notebook (in `BOOK`, all chapters by name, in reading order) and yields
what is wrong: which cell, counting all cells from 1; what was found; what was wanted.
To add one, write it under the decorator of its group, then break it in `BROKEN` of
`test_hygiene.py`.

Left to others: to ruff, which lints the notebooks too, unused names, star imports, bare
excepts, long lines, layout; to nbval, errors and a `;` that hides an output; to the
site's build, levels of headings and names of figures; to `test_book`, that a notebook
is as `make execute` writes it.
"""

import ast
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator

from nbformat import NotebookNode

Rule = Callable[..., list[str]]
NOTEBOOK: list[Rule] = []  # hold for every notebook under book/
CHAPTER: list[Rule] = []  # hold for book/NN-name.ipynb
BOOK: list[Rule] = []  # need all chapters at once


def rule(group: list[Rule]) -> Callable[[Callable[..., Iterator[str]]], Rule]:
    """Enter the decorated function in `group`, and have it return a list."""

    def enter(function: Callable[..., Iterator[str]]) -> Rule:
        @functools.wraps(function)
        def check(notebooks: object) -> list[str]:
            return list(function(notebooks))

        group.append(check)
        return check

    return enter


# --- Reading a notebook -------------------------------------------------------


def cells(notebook: NotebookNode, kind: str) -> list[tuple[int, NotebookNode]]:
    """Return the cells of one kind, "code" or "markdown", each with its number."""
    return [(n, c) for n, c in enumerate(notebook.cells, 1) if c.cell_type == kind]


def outputs(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """Return each output with the number of its cell."""
    return [(n, output) for n, c in cells(notebook, "code") for output in c.outputs]


def tags(cell: NotebookNode) -> set[str]:
    """Return the tags of `cell`."""
    return set(cell.metadata.get("tags", []))


def images(cell: NotebookNode) -> list[str]:
    """Return the type of each image that `cell` shows."""
    kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
    return [kind for kind in kinds if kind.startswith("image/")]


def figure(cell: NotebookNode, part: str, key: str) -> str:
    """Return what the metadata of `cell` tell the site about its figure, or ""."""
    return cell.metadata.get("mystnb", {}).get(part, {}).get(key, "")


def python(cell: NotebookNode) -> str:
    """Return a code cell as Python, without the one magic that a chapter may use."""
    return re.sub(r"^%config InlineBackend\.", "#", cell.source, flags=re.M)


def parse(cell: NotebookNode) -> ast.Module:
    """Parse a code cell as Python."""
    return ast.parse(python(cell))


def nodes(cell: NotebookNode) -> list[ast.AST]:
    """Return every syntax node of a code cell; none when it does not parse."""
    try:
        return list(ast.walk(parse(cell)))
    except SyntaxError:  # reported by `plain_python`
        return []


def calls(cell: NotebookNode) -> list[tuple[str, ast.Call]]:
    """Return each call in `cell` with its dotted name, such as `torch.manual_seed`."""
    return [(ast.unparse(c.func), c) for c in nodes(cell) if isinstance(c, ast.Call)]


def last(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.split(".")[-1]


def without_fences(text: str) -> str:
    """Take fenced code out of Markdown."""
    return re.sub(r"^(```+|~~~+).*?^\1", "", text, flags=re.M | re.S)


def words(text: str) -> int:
    """Count the words of Markdown: no code, maths, tags or link targets."""
    text = re.sub(r"`[^`]+`", "code", without_fences(text))  # a name counts as a word
    text = re.sub(r"\$\$.*?\$\$|\$[^$]+\$|<[^>]+>|\]\([^)]*\)", " ", text, flags=re.S)
    return len(re.findall(r"\w+(?:['\u2019.,-]\w+)*", text))  # "it's" is one, so is 3.5


def headings(notebook: NotebookNode) -> Iterator[tuple[int, int, str]]:
    """Yield (cell number, level, text) of every heading."""
    for n, cell in cells(notebook, "markdown"):
        text = without_fences(cell.source)
        for marks, title in re.findall(r"^(#{1,6}) (.*)", text, re.M):
            yield n, len(marks), title.strip()


def printed(output: NotebookNode) -> str:
    """Return the text of an output, without images and without displayed source."""
    data = output.get("data", {})
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    if output.output_type == "stream":
        return output.text
    if any(kind.startswith("image/") for kind in data):
        return ""
    return without_fences(data.get("text/markdown", data.get("text/plain", "")))


# --- Every notebook: text -----------------------------------------------------


@rule(NOTEBOOK)
def no_stderr(notebook: NotebookNode) -> Iterator[str]:
    """A warning on the page is a question that the reader cannot answer."""
    for n, output in outputs(notebook):
        if output.get("name") == "stderr":
            yield f"cell {n}: stderr {output.text.strip()[:60]!r}; wanted nothing there"


@rule(NOTEBOOK)
def one_title(notebook: NotebookNode) -> Iterator[str]:
    """One H1, on the first line of the first cell that shows: settings do not."""
    titles = [n for n, level, _ in headings(notebook) if level == 1]
    shown = [(n, c) for n, c in enumerate(notebook.cells, 1) if c.cell_type != "raw"]
    first, cell = shown[0] if shown else (1, None)
    if titles != [first] or not cell.source.startswith("# "):
        yield f"H1 in cells {titles}; wanted one, on the first line of cell {first}"


MYST = {
    "directive": r"^\s*(?:`{3,}|~{3,})\s*\{",
    "fence of colons": r"^\s*:{3,}",
    "role": r"\{[\w:+.-]+\}`",
    "target": r"^\([\w:.-]+\)=",
    "equation label": r"\$\$ *\([\w:.-]+\)",
}


@rule(NOTEBOOK)
def no_directive(notebook: NotebookNode) -> Iterator[str]:
    """Plain notebooks: MyST's own marks show raw in Colab and VS Code."""
    for n, cell in cells(notebook, "markdown"):
        for name, pattern in MYST.items():
            for match in re.finditer(pattern, cell.source, re.M):
                yield f"cell {n}: {name} {match[0].strip()!r}; wanted plain CommonMark"


# --- Every notebook: code -----------------------------------------------------


@rule(CHAPTER)  # in an exercise, solutions and checks are folded
def small_cells(notebook: NotebookNode) -> Iterator[str]:
    """Small cells: 90% of them have at most ten lines, none over 25."""
    lines = {n: cell.source.splitlines() for n, cell in cells(notebook, "code")}
    long = [n for n in lines if len(lines[n]) > 10]
    if len(long) > len(lines) / 10:
        yield f"cells {long}: over 10 lines; wanted at most one code cell in ten"
    for n in long:
        if len(lines[n]) > 25:
            yield f"cell {n}: {len(lines[n])} lines; wanted at most 25"


@rule(CHAPTER)  # in an exercise, solutions and checks are folded
def prose_between(notebook: NotebookNode) -> Iterator[str]:
    """Small cells: never more than two code cells in a row."""
    kinds = [cell.cell_type for cell in notebook.cells]
    for n in range(3, len(kinds) + 1):
        if kinds[n - 3 : n] == ["code"] * 3:
            yield f"cell {n}: third code cell in a row; wanted prose before it"


@rule(NOTEBOOK)
def plain_python(notebook: NotebookNode) -> Iterator[str]:
    """Plain code: what parses as Python has no `!`, no `%pip`, no magic."""
    for n, cell in cells(notebook, "code"):
        try:
            parse(cell)
        except SyntaxError as error:
            yield f"cell {n}: {(error.text or '').strip()!r}; wanted plain Python"


@rule(NOTEBOOK)
def nothing_is_hushed(notebook: NotebookNode) -> Iterator[str]:
    """Plain code: it stays visible what went wrong."""
    for n, cell in cells(notebook, "code"):
        for name, _ in calls(cell):
            if last(name) in ("filterwarnings", "simplefilter"):
                yield f"cell {n}: {name}; wanted warnings.catch_warnings(action=...)"


@rule(NOTEBOOK)
def correction_is_stated(notebook: NotebookNode) -> Iterator[str]:
    """Stated divisors: libraries disagree on n or n-1, so each call says which."""
    for n, cell in cells(notebook, "code"):
        for name, call in calls(cell):
            given = {keyword.arg for keyword in call.keywords}
            stated = given & {"correction", "ddof"}
            if last(name) in ("std", "var", "cov") and not stated:
                yield f"cell {n}: {name}(...) is n or n-1; wanted correction= or ddof="


# --- Every notebook: outputs --------------------------------------------------


@rule(NOTEBOOK)
def short_outputs(notebook: NotebookNode) -> Iterator[str]:
    """Short, stable outputs: at most 12 printed lines a cell."""
    lines: Counter[int] = Counter()
    for n, output in outputs(notebook):
        lines[n] += len(printed(output).splitlines())
    for n, count in lines.items():
        if count > 12:
            yield f"cell {n}: prints {count} lines; wanted at most 12"


UNSTABLE = {
    "a time": r"\b\d+ ?(?:[nuµm]?s|sec|seconds?|minutes?)\b|\b\d?\d:\d\d:\d\d\b",
    "a date": r"\b20\d\d-\d\d-\d\d\b",
    "a path": r"(?<![\w./])~?/[\w.-]+/[\w.-]+|\b[A-Za-z]:\\|\b\w+\.py\b",
    "a memory address": r"\b0x[0-9a-f]{4,}",
    "a version": r"\b\d+\.\d+\.\d+\b|\bversion \d",
    "over 6 decimals": r"\d\.\d{7,}",
    "over 3 decimals before an exponent": r"\d\.\d{4,}[eE][+-]?\d",
}


# A cell with the tag `recorded` reads them from a stored file, so that every machine
# prints the same: on what the benchmark ran.
RECORDED = {"a date", "a version"}


@rule(NOTEBOOK)
def stable_outputs(notebook: NotebookNode) -> Iterator[str]:
    """Short, stable outputs: nothing that another machine or day prints differently."""
    for n, output in outputs(notebook):
        html = re.sub("<[^>]+>", "\n", output.get("data", {}).get("text/html", ""))
        recorded = "recorded" in tags(notebook.cells[n - 1])
        for name, pattern in UNSTABLE.items():
            if recorded and name in RECORDED:
                continue
            for match in re.finditer(pattern, f"{printed(output)}\n{html}"):
                yield f"cell {n}: prints {name}, {match[0]!r}; wanted none"


@rule(NOTEBOOK)
def all_is_shown_and_compared(notebook: NotebookNode) -> Iterator[str]:
    """Plain code: no cell is hidden from readers, or exempt from the comparison."""
    for n, cell in cells(notebook, "code"):
        marks = {each for each in tags(cell) if re.match("hide|remove|nbval", each)}
        marks |= {*re.findall(r"NBVAL_\w+", cell.source)}
        if marks:
            yield f"cell {n}: {sorted(marks)}; wanted it shown and compared"


NO_ALT = "(an? |the )?(figure of|plot of|image)"  # a screen reader says so already


@rule(NOTEBOOK)
def figures_are_described(notebook: NotebookNode) -> Iterator[str]:
    """Described figures: alt text, a caption and a name, in the cell's metadata."""
    for n, cell in cells(notebook, "code"):
        if not images(cell):
            continue
        if images(cell) != ["image/png"]:
            yield f"cell {n}: shows {images(cell)}; wanted one image/png"
        alt = figure(cell, "image", "alt")
        if len(alt) < 30 or re.match(NO_ALT, alt, re.I):
            yield f"cell {n}: alt {alt!r}; wanted what is seen, 30 characters or more"
        caption = figure(cell, "figure", "caption")
        if not caption.endswith(".") or words(caption) < 3:
            yield f"cell {n}: caption {caption!r}; wanted a sentence with its full stop"
        name = figure(cell, "figure", "name")
        if not re.fullmatch("fig-[a-z0-9-]+", name):
            yield f"cell {n}: figure name {name!r}; wanted fig-..."


# --- Chapters -----------------------------------------------------------------


@rule(CHAPTER)
def one_form(notebook: NotebookNode) -> Iterator[str]:
    """One form: *You will* and *You need* first; questions and references last."""
    first = next((n for n, _ in cells(notebook, "code")), 1)
    text = "\n".join(cell.source for cell in notebook.cells[: first - 1])
    will, _, need = text.partition("**You will**")[2].partition("**You need**")
    if not 3 <= len(re.findall(r"^[-*] ", will, re.M)) <= 5 or not need.strip():
        yield "opening: wanted **You will** and 3 to 5 items, **You need**, then code"
    wanted = ["What we saw", "Questions", "References"]
    ends = [title for _, level, title in headings(notebook) if level == 2][-3:]
    if ends != wanted:
        yield f"closing: {ends}; wanted the sections {wanted}"
    text = "\n".join(cell.source for _, cell in cells(notebook, "markdown"))
    questions = text.rpartition("\n## Questions")[2].rpartition("\n## References")[0]
    if not 0 < questions.count("<details>") == questions.count("</details>"):
        yield "closing: no answers; wanted each in <details>...</details>"


@rule(CHAPTER)
def size_band(notebook: NotebookNode) -> Iterator[str]:
    """One form: a chapter is one sitting."""
    code = [cell for _, cell in cells(notebook, "code")]
    prose = sum(words(cell.source) for _, cell in cells(notebook, "markdown"))
    # Neither blank nor a comment.
    lines = sum(len(re.findall(r"^\s*[^#\s]", cell.source, re.M)) for cell in code)
    for what, size, low, high in (
        ("code cells", len(code), 12, 30),
        ("words of prose", prose, 1000, 2500),
        ("figures", sum(len(images(cell)) for cell in code), 3, 6),
        ("words a line of code", round(prose / max(1, lines), 1), 8, 18),
    ):
        if not low <= size <= high:
            yield f"chapter: {size} {what}; wanted {low} to {high}"


@rule(CHAPTER)
def setup_cell(notebook: NotebookNode) -> Iterator[str]:
    """Seeds: the first code cell seeds once and chooses float64."""
    first = [cell for _, cell in cells(notebook, "code")[:1]]
    done = [ast.unparse(call) for cell in first for _, call in calls(cell)]
    seeds = sum(call.startswith("torch.manual_seed(") for call in done)
    if seeds != 1:
        yield f"setup cell: {seeds} calls of torch.manual_seed; wanted one"
    if "torch.set_default_dtype(torch.float64)" not in done:
        yield "setup cell: wanted torch.set_default_dtype(torch.float64)"


DRAWS = {"sample", "rsample", "rand", "randn", "randint", "randperm", "multinomial"}


@rule(CHAPTER)
def draws_are_seeded(notebook: NotebookNode) -> Iterator[str]:
    """Seeds: who reruns a cell that draws sees the same numbers."""
    for n, cell in cells(notebook, "code"):
        called = {last(name) for name, _ in calls(cell)}
        if called & DRAWS and not called & {"manual_seed", "seed"}:
            yield f"cell {n}: draws unseeded; wanted torch.manual_seed(...) in the cell"


@rule(CHAPTER)
def other_seeds_are_tried(notebook: NotebookNode) -> Iterator[str]:
    """Seeds: what a cell says of others is in its metadata, and counted there."""
    for n, cell in cells(notebook, "markdown"):
        text = " ".join(cell.source.split())
        counts = {*map(str, cell.metadata.get("seeds", {}).values())}
        said = {*re.findall(r"(\d+) of 30 other seeds", text)}
        if (
            re.search(r"`SEED`|\b(another|other|any|every) seeds?\b", text)
            and not counts
        ):
            yield f"cell {n}: speaks of other seeds; wanted claims, as metadata seeds"
        for count in counts - said - {"30"}:
            yield f"cell {n}: a claim; wanted the words {count} of 30 other seeds"
        for count in said - counts:
            yield f"cell {n}: {count} of 30 other seeds; wanted a claim with it"


# --- The book -----------------------------------------------------------------


@rule(BOOK)
def helpers_are_shown(book: dict[str, NotebookNode]) -> Iterator[str]:
    """Helpers are shown: a reader sees a helper's source before its first use."""
    shown: set[str] = set()
    for chapter, notebook in book.items():
        imported: set[str] = set()
        for n, cell in cells(notebook, "code"):
            for node in nodes(cell):
                if isinstance(node, ast.Import) and node.names[0].name == "mle_helpers":
                    yield f"{chapter}, cell {n}: wanted from mle_helpers import ..."
                if isinstance(node, ast.ImportFrom) and node.module == "mle_helpers":
                    imported |= {name.asname or name.name for name in node.names}
            for name, call in calls(cell):
                if last(name) == "getsource":
                    shown |= {ast.unparse(argument) for argument in call.args}
            used = {node.id for node in nodes(cell) if isinstance(node, ast.Name)}
            for name in sorted(used & imported - shown):
                if not name.isupper():  # a constant has no source to show
                    yield f"{chapter}, cell {n}: wanted inspect.getsource({name}) first"
            imported -= used  # one message a name and chapter is enough
