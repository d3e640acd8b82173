"""The icons of the pages, from a font that holds these and no others.

The theme draws its icons (Font Awesome Free 6, https://fontawesome.com/license/free;
the fonts are under the SIL OFL 1.1) twice: by style sheet, from fonts, and by a script
of 1.5 MB. The script is gone (`lean`). Here the fonts, 300 kB, and the rules of the
style sheet are cut down to the icons that a page or a script names. So small, the fonts
travel inside the style sheet, and no icon moves a button when it arrives.
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

STYLES = "_static/styles/pydata-sphinx-theme.css"
FONTS = "_static/vendor/fontawesome/webfonts"

NAME = r"\bfa-[a-z0-9-]+"
GLYPH = r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\([0-9a-f]+) ?"\}'
SOURCE = r'url\([^()]*?([\w-]+)\.woff2\) format\("woff2"\),url\([^()]*\)[^;}]*'


def setup(app: Sphinx) -> None:
    """Cut the fonts once every page is written."""
    app.connect("build-finished", cut)


def cut(app: Sphinx, exception: Exception | None) -> None:
    """Leave the glyphs in use in the fonts, and their rules in the style sheet.

    Raises:
        ExtensionError: A page names an icon that the theme does not have.
    """
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    path = out / STYLES
    styles = path.read_text("utf-8")
    names = used(out)
    glyphs = {}
    for match in re.finditer(GLYPH, styles):
        glyphs |= dict.fromkeys(re.findall(NAME, match[1]), int(match[2], 16))
    known = set(re.findall(NAME, re.sub(GLYPH, "", styles)))  # such as fa-solid, fa-lg
    if unknown := names - known - glyphs.keys():
        raise ExtensionError(f"no such icon in the theme: {', '.join(sorted(unknown))}")

    def rule(match: re.Match[str]) -> str:
        return match[0] if names & set(re.findall(NAME, match[1])) else ""

    drawn = {glyphs[name] for name in names & glyphs.keys()}
    # Where a style sheet draws an icon by itself.
    for other in out.glob("_static/**/*.css"):
        if other != path:
            found = re.findall(r'content:"\\([ef][0-9a-f]{3})', other.read_text("utf-8"))
            drawn |= {int(code, 16) for code in found}

    def font(match: re.Match[str]) -> str:
        data = b64encode(reduced(out / FONTS / f"{match[1]}.ttf", drawn)).decode()
        return f"url(data:font/woff;base64,{data})"

    styles = re.sub(GLYPH, rule, styles)
    styles = re.sub(SOURCE, font, styles)
    path.write_text(styles, "utf-8", newline="\n")
    shutil.rmtree(out / FONTS)


def used(out: Path) -> set[str]:
    """Return the names of icons, `fa-...`, in the pages and scripts of the site."""
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
