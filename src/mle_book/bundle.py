"""Pack the book into one archive, to read and run with the network cut.

``python -m mle_book.bundle`` packs what `make book`, `make pdf` and `make notebooks`
left in `_build`, with the data and the licences. Same input, same bytes.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from mle_book import edition
from mle_book.edition import Edition
from mle_book.repository import ROOT

BUILD = ROOT / "_build"
START = 1980, 1, 1, 0, 0, 0  # of time, in an archive
LICENCES = "LICENSE", "LICENSE-text", "CITATION.cff"

README = """\
{title}
{label}

To read, open html/index.html in a browser: it needs no network.
{file}.pdf is the same book in one piece, to print or to annotate.

To run, open a notebook of notebooks/ in Jupyter, VS Code or Colab. Each is one file
that needs nothing else of the book, and no network: only Python, with

    pip install jupyterlab torch pandas matplotlib seaborn scipy

The data that the chapters read are in notebooks/data/.

Text and figures: CC BY 4.0 (LICENSE-text). Code: MIT (LICENSE).
CITATION.cff says how to cite.
"""


class BundleError(Exception):
    """Something to pack is missing; the message says what, and what makes it."""


def pack(build: Path, root: Path, this: Edition) -> Path:
    """Write the archive of what is built in the folder `build`, and return its path."""
    parts = {
        "html": _files(build / "html", "make book"),
        "notebooks": _files(build / "notebooks", "make notebooks"),
        "notebooks/data": _files(root / "book/data", "git checkout book/data"),
        "": {f"{this.file}.pdf": build / f"{this.file}.pdf"}
        | {name: root / name for name in LICENCES},
    }
    parts["html"].pop("404.html", None)  # for a server, at the root of a site
    found = {
        "/".join(filter(None, (this.file, folder, name))): path
        for folder, files in parts.items()
        for name, path in files.items()
    }
    title = edition.citation_file(root)["title"]
    readme = README.format(title=title, label=this.label, file=this.file)
    path = build / f"{this.file}.zip"
    try:
        content = {name: file.read_bytes() for name, file in found.items()}
    except FileNotFoundError as error:
        raise BundleError(f"{error.filename}: missing; try: make pdf") from error
    content[f"{this.file}/README.txt"] = readme.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, START)
            entry.create_system = 3  # Unix, which has the permissions that follow
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content[name], zipfile.ZIP_DEFLATED)
    return path


def _files(folder: Path, command: str) -> dict[str, Path]:
    """Return the files below `folder`, none hidden, by name."""
    found = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("[!.]*")
        if path.is_file()
    }
    if not found:
        raise BundleError(f"{folder}: nothing there; try: {command}")
    return found


def main() -> int:
    """Pack the book; return 1 if something is missing."""
    try:
        path = pack(BUILD, ROOT, edition.find())
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The archive is {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
