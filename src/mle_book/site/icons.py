"""The icons of the pages, in fonts that hold these and no others.

The theme draws its icons (Font Awesome Free 6, https://fontawesome.com/license/free;
the fonts are under the SIL OFL 1.1) twice: by style sheet, from fonts, and by a script
of 1.5 MB. The script is gone (`lean`), and the fonts, 300 kB, are cut down to the icons
whose rules are in use (`styles`). So small, they travel inside the style sheet, and no
icon moves a button when it arrives.
"""

from __future__ import annotations

import re
import shutil
from base64 import b64encode
from io import BytesIO
from pathlib import Path

from fontTools import subset
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

THEME = "_static/styles/pydata-sphinx-theme.css"
ICONS = "_static/vendor/fontawesome/webfonts"

NAME = r"fa-[a-z0-9-]+"
GLYPH = r'content: ?"(.)"'
FACE = r'url\([^()]*?([\w-]+)\.woff2\) format\("woff2"\),url\([^()]*\)[^;}]*'


def setup(app: Sphinx) -> None:
    """Put the fonts into the style sheets once these are pruned."""
    app.connect("build-finished", inline)


def inline(app: Sphinx, exception: Exception | None) -> None:
    """Put the icons in use into the theme's style sheet.

    Raises:
        ExtensionError: A page names an icon that the theme does not have.
    """
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    sheets = [each.read_text("utf-8") for each in out.glob("_static/**/*.css")]
    known = set(re.findall(rf"\.({NAME})", "".join(sheets)))
    if unknown := icons(out) - known:
        raise ExtensionError(f"no such icon in the theme: {', '.join(sorted(unknown))}")
    drawn = set(map(ord, re.findall(GLYPH, "".join(sheets))))

    def face(match: re.Match[str]) -> str:
        font = reduced(out / ICONS / f"{match[1]}.ttf", drawn)
        return f"url(data:font/woff;base64,{b64encode(font).decode()})"

    text = re.sub(FACE, face, (out / THEME).read_text("utf-8"))
    (out / THEME).write_text(text, "utf-8", newline="\n")
    shutil.rmtree(out / ICONS)


def icons(out: Path) -> set[str]:
    """Return the names of the icons, `fa-...`, in the pages and scripts of a site."""
    found: set[str] = set()
    for path in out.rglob("*.html"):
        for classes in re.findall(r'class="([^"]*)"', path.read_text("utf-8")):
            found |= {each for each in classes.split() if re.fullmatch(NAME, each)}
    for path in out.glob("_static/**/*.js"):
        found |= set(re.findall(rf'["\' ]({NAME})(?=["\' ])', path.read_text("utf-8")))
    return found


def reduced(font: Path, characters: set[int]) -> bytes:
    """Return a font with these of its characters, compressed."""
    options = subset.Options(flavor="woff")
    loaded = subset.load_font(str(font), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(loaded)
    small = BytesIO()
    subset.save_font(loaded, small, options)
    return small.getvalue()
