"""What the page `book/build.md` shows: how this site was built, as `{{ build }}`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from mle_book import record, repository
from mle_book.site import times


def setup(app: Sphinx) -> None:
    """Offer the text to the pages."""
    app.connect("config-inited", offer)


def offer(app: Sphinx, config: Config) -> None:
    """Give the pages of text `{{ build }}`: commit, run times and versions."""
    config.myst_substitutions = {**(config.myst_substitutions or {}), "build": text()}


def text() -> str:
    """Return the commit and the record of the last full execution, in Markdown."""
    last = record.read()
    rows = [
        f"| [](/{name}) | {times.running(seconds)} |"
        for name, seconds in last["seconds"].items()
    ]
    lines = [
        *(["**Commit.** " + commit + "\n"] if (commit := built()) else []),
        f"**Last full execution.** {last['date']}, on {last['system']} with "
        f"{last['processors']} processors. "
        f"It took {times.running(sum(last['seconds'].values()))}.",
        "",
        "| Notebook | Run time |",
        "|---|---|",
        *rows,
        "",
        "| Package | Version |",
        "|---|---|",
        f"| Python | {last['python']} |",
        *(f"| {name} | {number} |" for name, number in last["packages"].items()),
    ]
    return "\n".join(lines)


def built(root: Path = repository.ROOT) -> str | None:
    """Return the commit that is built, a link if possible; None if git knows none."""
    if not (root / ".git").exists():  # git would look in the folders above, too
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
    except OSError:  # no git
        return None
    if done.returncode:
        return None
    name = done.stdout.strip()
    found = repository.find(root)
    return f"[`{name[:12]}`]({found.address}/commit/{name})" if found else f"`{name}`"
