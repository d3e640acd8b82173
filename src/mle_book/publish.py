"""Where the book is published: its repository, its site, its editions.

Nobody who forks the book edits anything. A build on GitHub is told its repository; a
clone has it as the remote `origin`. `SITE_URL` names the site where that is not the
repository's GitHub Pages, and `EDITION`, or the tag that is built, the edition.

``python -m mle_book.publish check TAG`` fails unless the files speak of that version;
``pack`` packs what `make book` and `make pdf` left in `_build` into an archive, to read
and run offline. `.ci/publish` pushes the site to where it is read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import yaml

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "_build"
GITHUB = "https://github.com"
BRANCH = "notebooks"  # holds notebooks that run alone, a folder for each edition
LATEST = "latest"  # the edition between releases

README = """\
{title}
{label}

html/index.html is the book, for a browser; {file}.pdf is the same in one piece. To run
a notebook of notebooks/, open it in Jupyter, VS Code or Colab. It needs no other file
and no network, only Python with

    pip install jupyterlab torch pandas matplotlib seaborn scipy

Text and figures: CC BY 4.0 (LICENSE-text). Code: MIT (LICENSE).
"""


# --- The repository -------------------------------------------------------------------


@dataclass(frozen=True)
class Repository:
    """A repository on the web, such as `https://github.com/owner/name`."""

    server: str
    owner: str
    name: str

    @property
    def address(self) -> str:
        """The address of its page."""
        return f"{self.server}/{quote(self.owner)}/{quote(self.name)}"

    @property
    def pages(self) -> str | None:
        """The address of its GitHub Pages, with a slash at the end."""
        if self.server != GITHUB:
            return None
        host = f"{self.owner.lower()}.github.io"
        folder = "" if self.name.lower() == host else f"{quote(self.name)}/"
        return f"https://{host}/{folder}"

    def colab(self, path: str) -> str | None:
        """Return what opens the file `path` of `BRANCH` in Colab, from GitHub only."""
        if self.server != GITHUB:
            return None
        place = quote(f"{self.owner}/{self.name}/blob/{BRANCH}/{path}")
        return f"https://colab.research.google.com/github/{place}"

    def binder(self, path: str) -> str | None:
        """Return what opens the file `path` of `BRANCH` in Binder, from GitHub only."""
        if self.server != GITHUB:
            return None
        place = quote(f"{self.owner}/{self.name}/{BRANCH}")
        return f"https://mybinder.org/v2/gh/{place}?labpath={quote(path, safe='')}"


def repository(
    root: Path = ROOT, environment: Mapping[str, str] = os.environ
) -> Repository | None:
    """Return the repository of the book in the folder `root`, None if unknown."""
    if name := environment.get("GITHUB_REPOSITORY"):
        return parse(f"{environment.get('GITHUB_SERVER_URL') or GITHUB}/{quote(name)}")
    origin = git(root, "remote", "get-url", "origin")
    return parse(origin) if origin else None


def parse(address: str) -> Repository | None:
    """Return the repository that git calls `address`; None for a folder on a disk."""
    web = re.fullmatch(r"(https?|ssh|git)://(?:[^/]*@)?([\w.-]+)(:\d+)?/(.+)", address)
    short = re.fullmatch(r"(?:[^/@:]+@)?([^/@:\\]+):([^\\]+)", address)
    if web:
        scheme, host, port, path = web.groups()
        server = f"{scheme}://{host}{port or ''}" if scheme[0] == "h" else None
    elif short and "://" not in address:
        (host, path), server = short.groups(), None
    else:
        return None
    path = unquote(path).strip("/").removesuffix(".git")
    owner, _, name = path.rpartition("/")
    if "." not in host or not owner or {"", ".", ".."} & {*path.split("/")}:
        return None  # a host without a dot is one of the reader's own, not of the web
    if host.lower() in ("github.com", "www.github.com", "ssh.github.com"):
        return None if "/" in owner else Repository(GITHUB, owner, name)
    return Repository((server or f"https://{host}").lower(), owner, name)


def git(root: Path, *command: str) -> str | None:
    """Return what git says about `root`, None if that is no clone."""
    if not (root / ".git").exists():  # git would look in the folders above, too
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *command], capture_output=True, encoding="utf-8"
        )
    except OSError:  # no git
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


# --- The site -------------------------------------------------------------------------


def home(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the site, with a slash at the end, None if unknown."""
    found = repository(root, environment)
    address = environment.get("SITE_URL") or (found and found.pages)
    if not address:
        return None
    if not re.fullmatch(r"https?://[^\s/?#()]+(/[^\s?#()]*)?", address):
        raise ValueError(f"SITE_URL must be like https://a.org/b, not {address!r}")
    return address.rstrip("/") + "/"


def site(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the edition that is built, None if unknown.

    The latest is at `home`, another edition at a path below that stays.
    """
    address, name = home(root, environment), edition_name(environment)
    return address if name == LATEST else address and f"{address}editions/{name}/"


# --- The edition ----------------------------------------------------------------------


def edition_name(environment: Mapping[str, str] = os.environ) -> str:
    """Return the edition that is built: a tag such as `v1.2.0`, or `latest`."""
    tag = environment.get("GITHUB_REF_TYPE") == "tag"
    name = environment.get("EDITION") or (tag and environment.get("GITHUB_REF_NAME"))
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


def edition(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> Edition:
    """Return the edition that is built from the folder `root`.

    Its date is that of the release, as in `CITATION.cff`, or else of the commit: the
    same input gives the same pages on any day.
    """
    name = edition_name(environment)
    if name != LATEST:
        return Edition(name, str(citation_file(root)["date-released"]))
    commit = git(root, "describe", "--always", "--exclude=*", "--dirty")
    return Edition(name, git(root, "log", "-1", "--format=%cs"), commit)


def citation_file(root: Path = ROOT) -> dict[str, Any]:
    """Return what `CITATION.cff` says."""
    return yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))


def cite(this: Edition, address: str | None, root: Path = ROOT) -> str:
    """Return the entry for a list of references, in Markdown."""
    book = citation_file(root)
    authors = " and ".join(author["name"] for author in book["authors"])
    year = f" ({this.date[:4]})" if this.date else ""
    label = this.label[0].lower() + this.label[1:]
    entry = f"{authors}{year}. *{book['title']}*, {label}."
    return f"{entry} <{address}>" if address else entry


def faults(tag: str, root: Path = ROOT) -> Iterator[str]:
    """Yield what keeps a commit from being the edition `tag`."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    cited = citation_file(root)
    for name, book in (("pyproject.toml", project), ("CITATION.cff", cited)):
        if tag != f"v{book['version']}":
            yield f"{name} has version {book['version']}, but the tag is {tag}"
    day = git(root, "log", "-1", "--format=%cs")
    if day != str(cited["date-released"]):
        yield f"CITATION.cff is of {cited['date-released']}, the commit of {day}"


# --- The archive ----------------------------------------------------------------------


def pack(this: Edition, build: Path = BUILD, root: Path = ROOT) -> Path:
    """Write the archive of what is built in the folder `build`; return its path."""
    folder = build / this.file
    shutil.rmtree(folder, ignore_errors=True)
    no_server = shutil.ignore_patterns(".*", "404.html")
    shutil.copytree(build / "html", folder / "html", ignore=no_server)
    shutil.copytree(build / "html/notebooks", folder / "notebooks")
    shutil.copytree(root / "book/data", folder / "notebooks/data")
    for path in (build / f"{this.file}.pdf", *root.glob("LICENSE*")):
        shutil.copy(path, folder)
    shutil.copy(root / "CITATION.cff", folder)
    title = citation_file(root)["title"]
    readme = README.format(title=title, label=this.label, file=this.file)
    (folder / "README.txt").write_text(readme, "utf-8")
    archive = shutil.make_archive(str(folder), "zip", build, this.file)
    shutil.rmtree(folder)
    return Path(archive)


def main(arguments: list[str]) -> int:
    """Check a tag, or pack the archive; return 1 if that fails."""
    if arguments[:1] == ["check"]:
        found = [*faults(*arguments[1:])]
    else:
        try:
            print(f"The archive is {pack(edition()).relative_to(ROOT)}")
            found = []
        except FileNotFoundError as error:
            found = [f"{error.filename}: missing; try: make bundle"]
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
