"""Hold a tag against the files that say which version this is.

``python -m mle_book.release TAG`` fails, and says why, unless `pyproject.toml` and
`CITATION.cff` speak of that version, and the latter of the day of the commit.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from mle_book import edition
from mle_book.repository import ROOT


def faults(tag: str, committed: str | None, root: Path = ROOT) -> Iterator[str]:
    """Yield what keeps a commit of the day `committed` from being the edition `tag`."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    cited = edition.citation_file(root)
    versions = {
        "pyproject.toml": project["version"],
        "CITATION.cff": str(cited["version"]),
    }
    for name, version in versions.items():
        if tag != f"v{version}":
            yield f"{name} has version {version}, but the tag is {tag}"
    day = str(cited["date-released"])
    if committed is None:
        yield "git knows no commit here, so the date cannot be checked"
    elif abs((date.fromisoformat(day) - date.fromisoformat(committed)).days) > 1:
        # The clocks of two places may be a day apart.
        yield f"CITATION.cff has date-released {day}, but the commit is of {committed}"


def main(arguments: list[str]) -> int:
    """Check the tag; return 1 if it does not fit, 2 if none was named."""
    if len(arguments) != 1:
        print("usage: python -m mle_book.release TAG", file=sys.stderr)
        return 2
    found = list(faults(arguments[0], edition.find(environment={}).date))
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
