"""Where the book is published: its repository, its site, its editions.

Nobody who forks the book edits anything. A build on GitHub is told its repository; a
clone has it as the remote `origin`. `SITE_URL` names the site where that is not the
repository's GitHub Pages, and `EDITION`, or the tag that is built, the edition.

``python -m mle_book.publish`` packs what `make book` and `make pdf` left in `_build`
into an archive, to read and run offline. `.ci/publish` pushes the site to where it is
read.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mle_book.notebooks import ROOT

BUILD = ROOT / "_build"
GITHUB = "https://github.com"
BRANCH = "notebooks"  # holds notebooks that run alone, a folder for each edition
LATEST = "latest"  # the edition between releases

README = """\
html/index.html is the book, for a browser; the PDF is the same in one piece. To run a
notebook of html/notebooks, open it in Jupyter, VS Code or Colab. It needs no other file
and no network, only Python with

    pip install jupyterlab torch pandas matplotlib seaborn scipy

Text and figures: CC BY 4.0 (LICENSE-text). Code: MIT (LICENSE).
"""


# --- The repository -------------------------------------------------------------------


def repository() -> str | None:
    """Return the book's repository on GitHub, as owner/name; None if it has none."""
    name = os.environ.get("GITHUB_REPOSITORY")
    address = f"{GITHUB}/{name}" if name else git("remote", "get-url", "origin")
    # https://github.com/owner/name.git, git@github.com:owner/name, and their like
    form = r"(.*[/@.])?github\.com(:\d+)?[:/]+([\w.-]+/[\w.-]+?)(\.git)?/?"
    found = re.fullmatch(form, address or "", re.IGNORECASE)
    return found[3] if found else None


def git(*command: str) -> str | None:
    """Return what git says about the book, None if that is no clone."""
    here = ["git", "--git-dir=.git", *command]  # and not a folder above
    try:
        done = subprocess.run(here, cwd=ROOT, capture_output=True, encoding="utf-8")
    except OSError:  # no git
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


# --- The site -------------------------------------------------------------------------


def home() -> str | None:
    """Return the address of the site, with a slash at the end, None if unknown."""
    address = os.environ.get("SITE_URL")
    if not address and (found := repository()):
        owner, name = found.split("/")
        host = f"{owner.lower()}.github.io"  # also a repository's name, for the root
        address = f"https://{host}/{'' if name.lower() == host else name}"
    if not address:
        return None
    if not re.fullmatch(r"https?://[^\s/?#()]+(/[^\s?#()]*)?", address):
        raise ValueError(f"SITE_URL must be like https://a.org/b, not {address!r}")
    return address.rstrip("/") + "/"


def site() -> str | None:
    """Return the address of the edition that is built, None if unknown.

    The latest is at `home`, another edition at a path below that stays.
    """
    address, name = home(), edition_name()
    return address if name == LATEST else address and f"{address}editions/{name}/"


# --- The edition ----------------------------------------------------------------------


def edition_name() -> str:
    """Return the edition that is built: a tag such as `v1.2.0`, or `latest`."""
    tag = os.environ.get("GITHUB_REF_TYPE") == "tag"
    name = os.environ.get("EDITION") or (tag and os.environ.get("GITHUB_REF_NAME"))
    name = name or LATEST
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"an edition must be named like v1.2.0, not {name!r}")
    return name


@dataclass(frozen=True)
class Edition:
    """An edition of the book.

    Attributes:
        name: A tag such as `v1.2.0`, or `latest` between two editions.
        date: The day of it, such as `2027-01-15`; None if unknown.
        commit: What git calls the state of a `latest`; None if unknown.
    """

    name: str
    date: str | None = None
    commit: str | None = None

    @property
    def label(self) -> str:
        """What the pages say."""
        latest = "Latest, between editions"
        name = latest if self.name == LATEST else f"Edition {self.name}"
        return ", ".join(filter(None, (name, self.commit, self.date)))

    @property
    def file(self) -> str:
        """The name of its files, without an ending."""
        return f"mle-normal-{self.name}"


def edition() -> Edition:
    """Return the edition that is built.

    Its date is that of the release, as in `CITATION.cff`, or else of the commit: the
    same input gives the same pages on any day.
    """
    name = edition_name()
    if name != LATEST:
        return Edition(name, str(citation_file()["date-released"]))
    commit = git("describe", "--always", "--exclude=*", "--dirty")
    return Edition(name, git("log", "-1", "--format=%cs"), commit)


def citation_file() -> dict[str, Any]:
    """Return what `CITATION.cff` says."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def cite(this: Edition, address: str | None) -> str:
    """Return the entry for a list of references, in Markdown."""
    book = citation_file()
    authors = " and ".join(author["name"] for author in book["authors"])
    year = f" ({this.date[:4]})" if this.date else ""
    label = this.label[0].lower() + this.label[1:]
    entry = f"{authors}{year}. *{book['title']}*, {label}."
    return f"{entry} <{address}>" if address else entry


# --- The archive ----------------------------------------------------------------------


def pack(this: Edition, build: Path = BUILD) -> Path:
    """Write the archive of what is built in the folder `build`; return its path."""
    folder = build / this.file
    shutil.rmtree(folder, ignore_errors=True)
    no_server = shutil.ignore_patterns(".*", "404.html")
    shutil.copytree(build / "html", folder / "html", ignore=no_server)
    for path in (folder.with_name(f"{this.file}.pdf"), *ROOT.glob("LICENSE*")):
        shutil.copy(path, folder)
    (folder / "README.txt").write_text(README, "utf-8")
    return Path(shutil.make_archive(str(folder), "zip", build, this.file))


if __name__ == "__main__":
    print(f"The archive is {pack(edition()).relative_to(ROOT)}")
