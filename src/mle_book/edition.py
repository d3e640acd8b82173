"""Which edition this is, since when, and how to cite it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mle_book import repository
from mle_book.repository import LATEST, ROOT


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


def find(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> Edition:
    """Return the edition that is built from the folder `root`.

    Its date is that of the release, as in `CITATION.cff`, or else of the commit: the
    same input gives the same pages on any day.
    """
    name = repository.edition(environment)
    if name != LATEST:
        return Edition(name, str(citation_file(root)["date-released"]))
    commit = _git(root, "describe", "--always", "--exclude=*", "--dirty")
    return Edition(name, _git(root, "log", "-1", "--format=%cs"), commit)


def citation_file(root: Path = ROOT) -> dict[str, Any]:
    """Return what `CITATION.cff` says."""
    return yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))


def cite(edition: Edition, site: str | None, root: Path = ROOT) -> str:
    """Return the entry for a list of references, in Markdown."""
    book = citation_file(root)
    authors = " and ".join(author["name"] for author in book["authors"])
    year = f" ({edition.date[:4]})" if edition.date else ""
    label = edition.label[0].lower() + edition.label[1:]
    entry = f"{authors}{year}. *{book['title']}*, {label}."
    return f"{entry} <{site}>" if site else entry


def _git(root: Path, *command: str) -> str | None:
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
