"""Put the frozen editions beside the latest, for a deployment replaces the whole site.

``python -m mle_book.compose SITE ARCHIVE...`` unpacks the site in the archive of each
release to `SITE/editions/TAG/`, and lists the editions on `SITE/editions/index.html`.
"""

from __future__ import annotations

import re
import sys
import zipfile
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from packaging.version import Version

from mle_book import edition

LARGEST = 1_000_000_000  # bytes that GitHub Pages takes

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Editions: {title}</title>
<style>
:root {{ color-scheme: light dark; font: 1.1rem/1.6 system-ui, sans-serif; }}
body {{ max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }}
</style>
</head>
<body>
<main>
<h1>Editions</h1>
<p>Of <cite>{title}</cite>. An edition never changes: cite or teach one.</p>
<ul>
<li><a href="../">Latest</a>, which still changes</li>
{editions}</ul>
</main>
</body>
</html>
"""


class ComposeError(Exception):
    """An archive cannot be used; the message says which and why."""


def unpack(archive: Path, editions: Path) -> dict[str, Any]:
    """Unpack the site in `archive` below `editions`; return its `CITATION.cff`."""
    tag = archive.stem.removeprefix("mle-normal-")
    folder = f"{archive.stem}/html/"
    try:
        with zipfile.ZipFile(archive) as opened:
            cited = yaml.safe_load(opened.read(f"{archive.stem}/CITATION.cff"))
            files = {
                name.removeprefix(folder): opened.read(name)  # and compare its checksum
                for name in opened.namelist()
                if name.startswith(folder)
            }
    except (OSError, KeyError, zipfile.BadZipFile, yaml.YAMLError) as error:
        raise ComposeError(f"{archive}: no archive of an edition: {error}") from error
    if f"v{cited['version']}" != tag:
        raise ComposeError(f"{archive}: holds version {cited['version']}, not {tag}")
    if "index.html" not in files:
        raise ComposeError(f"{archive}: holds no {folder}index.html")
    for name, content in files.items():
        if name.endswith("/"):  # a folder, in an archive that was packed by hand
            continue
        if ".." in PurePosixPath(name).parts or re.search(r"^/|[\\:]", name):
            raise ComposeError(f"{archive}: {name} would lie outside of the edition")
        path = editions / tag / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return cited


def compose(site: Path, archives: list[Path]) -> None:
    """Add the editions in `archives` to the site in the folder `site`, and a list."""
    if not (site / "index.html").is_file():
        raise ComposeError(f"{site}: holds no site; build it with: make book")
    editions = site / "editions"
    editions.mkdir(exist_ok=True)
    cited = [unpack(archive, editions) for archive in archives]
    cited.sort(key=lambda book: Version(str(book["version"])), reverse=True)
    items = "".join(
        f'<li><a href="v{book["version"]}/">v{book["version"]}</a>, '
        f"{book['date-released']}</li>\n"
        for book in cited
    )
    title = escape(edition.citation_file()["title"])
    page = PAGE.format(title=title, editions=items)
    (editions / "index.html").write_text(page, encoding="utf-8")
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    if size > LARGEST:
        raise ComposeError(
            f"{site}: {size:,} bytes, more than the {LARGEST:,} that GitHub Pages takes"
        )


def main(arguments: list[str]) -> int:
    """Compose the site; return 1 if that failed, 2 if no site was named."""
    if not arguments:
        print("usage: python -m mle_book.compose SITE ARCHIVE...", file=sys.stderr)
        return 2
    site, *archives = map(Path, arguments)
    try:
        compose(site, archives)
    except ComposeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
