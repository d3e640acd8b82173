"""Where the book lives: its repository, and the addresses that follow from that.

Nobody who forks the book edits anything. A build on GitHub is told its repository; a
clone has it as the remote `origin`; where neither is so, `_config.yml` may say it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import yaml

ROOT = Path(__file__).parents[2]
GITHUB = "https://github.com"
BRANCH = "notebooks"  # holds the self-contained notebooks, a folder for each edition
LATEST = "latest"  # the edition between releases


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


def find(
    root: Path = ROOT, environment: Mapping[str, str] = os.environ
) -> Repository | None:
    """Return the repository of the book in the folder `root`, None if unknown.

    Raises:
        ValueError: The environment or `_config.yml` gives one that is none.
    """
    if name := environment.get("GITHUB_REPOSITORY"):
        server = environment.get("GITHUB_SERVER_URL") or GITHUB
        wanted = "GITHUB_SERVER_URL and GITHUB_REPOSITORY must be https://... and a/b"
        return _demand(f"{server}/{quote(name)}", wanted)
    if (origin := _origin(root)) and (repository := parse(origin)):
        return repository
    if address := _settings(root, "repository").get("url"):
        return _demand(address, "_config.yml: repository, url: must be https://...")
    return None


def site(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the edition that is built, None if unknown.

    The latest is at `home`, another edition at a path below that stays.
    """
    address, name = home(root, environment), edition(environment)
    return address if name == LATEST else address and f"{address}editions/{name}/"


def home(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the site, with a slash at the end, None if unknown.

    It is `SITE_URL` in the environment, else the repository's GitHub Pages, else
    `baseurl` of `html` in `_config.yml`. The last would be wrong in a fork.

    Raises:
        ValueError: An address is none.
    """
    repository = find(root, environment)
    address = environment.get("SITE_URL") or (repository and repository.pages)
    address = address or _settings(root, "html").get("baseurl")
    if not address:
        return None
    if not re.fullmatch(r"https?://[^\s/?#()]+(/[^\s?#()]*)?", address):
        raise ValueError(f"the site must be at https://..., not {address!r}")
    return address.rstrip("/") + "/"


def edition(environment: Mapping[str, str] = os.environ) -> str:
    """Return the edition that is built: a tag such as `v1.2.0`, or `latest`.

    It is `EDITION` in the environment, else the tag that a build on GitHub is of.

    Raises:
        ValueError: It could not be a folder's name.
    """
    tag = environment.get("GITHUB_REF_TYPE") == "tag"
    name = environment.get("EDITION") or (tag and environment.get("GITHUB_REF_NAME"))
    name = name or LATEST
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"an edition must be named like v1.2.0, not {name!r}")
    return name


def parse(address: str) -> Repository | None:
    """Return the repository that git calls `address`; None for a folder on a disk."""
    if "://" in address:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port
        except ValueError:  # a port or a host that is none
            return None
        if parts.scheme not in ("https", "http", "ssh", "git"):
            return None
        web = parts.scheme if parts.scheme == "http" else "https"
        port = port if parts.scheme.startswith("http") else None
        path = unquote(parts.path)
    elif short := re.fullmatch(r"(?:[^/@:]+@)?([^/@:\\]+):(.+)", address):
        web, port, host, path = "https", None, short[1].lower(), short[2]
    else:
        return None
    path = path.strip("/").removesuffix(".git")
    owner, _, name = path.rpartition("/")
    if "." not in host or not owner or {"", ".", ".."} & {*path.split("/")}:
        return None  # a host without a dot is one of the reader's own, not of the web
    if host in ("github.com", "www.github.com", "ssh.github.com"):
        return Repository(GITHUB, owner, name) if "/" not in owner else None
    return Repository(f"{web}://{host}{f':{port}' if port else ''}", owner, name)


def _demand(address: str, wanted: str) -> Repository:
    repository = parse(str(address))
    if repository is None:
        raise ValueError(f"{wanted}, not {address!r}")
    return repository


def _origin(root: Path) -> str | None:
    """Return what git has as the remote `origin` of `root`, if it is a clone."""
    if not (root / ".git").exists():  # git would look in the folders above, too
        return None
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
    except OSError:  # no git
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _settings(root: Path, section: str) -> dict[str, Any]:
    """Return a section of `_config.yml`, empty where there is none."""
    path = root / "_config.yml"
    settings = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else {}
    return (settings or {}).get(section) or {}
