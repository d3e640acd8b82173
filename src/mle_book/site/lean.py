"""A page asks for the scripts and styles that it uses, and the site holds no others.

Jupyter Book loads what every extension brings on every page, whether or not anything on
the page needs it, and each script before the page is drawn.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _CascadingStyleSheet, _JavaScript

# What a file acts on, as it is in the body of a page.
USED_BY = {
    "maths.css": "<math",
    "clipboard.min.js": r'class="highlight',
    "copybutton.js": r'class="highlight',
    "copybutton.css": r'class="highlight',
    "togglebutton.js": r'class="([^"]* )?(toggle|dropdown)[ "]',
    "togglebutton.css": r'class="([^"]* )?(toggle|dropdown)[ "]',
    "design-tabs.js": r'class="([^"]* )?sd-tab-set[ "]',
    "sphinx-design.min.css": r'class="([^"]* )?sd-',
    "explorers.js": 'class="explorer"',
    "explorers.css": 'class="explorer"',
    "sphinx-thebe.js": "(?!)",  # runs cells in the page, on a server of others
    "sphinx-thebe.css": "(?!)",
}
# Settings for those scripts, which are a script in the page.
SETTINGS = {
    "THEBE_JS_URL": "sphinx-thebe.js",
    "toggleHint": "togglebutton.js",
    "toggleOpenOnPrint": "togglebutton.js",
    "togglebuttonSelector": "togglebutton.js",
}
UNUSED = (
    *("scripts/fontawesome.js", "sphinx-thebe.js", "sphinx-thebe.css"),
    *("styles/theme.css", "webpack-macros.html", "sbt-webpack-macros.html"),
)


def setup(app: Sphinx) -> None:
    """Choose each page's files, after all extensions have named theirs."""
    app.connect("html-page-context", choose, priority=950)
    app.connect("build-finished", remove)


def choose(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Leave out the files that nothing on the page uses; defer the scripts."""
    body = context.get("body") or ""

    def used(file: _CascadingStyleSheet | _JavaScript) -> bool:
        name = Path(file.filename or "").name
        if isinstance(file, _JavaScript) and not name:
            start = file.attributes["body"]
            name = next((SETTINGS[key] for key in SETTINGS if key in start), "")
        return name not in USED_BY or bool(re.search(USED_BY[name], body))

    scripts = [each for each in context["script_files"] if used(each)]
    context["script_files"] = list(map(deferred, scripts))
    basic = _CascadingStyleSheet("_static/basic.css", priority=1)
    theme = _CascadingStyleSheet("_static/styles/pydata-sphinx-theme.css", priority=2)
    sheets = [each for each in context["css_files"] if used(each)]
    context["css_files"] = [basic, theme, *sheets]
    context["has_maths"] = "<math" in body
    tags = context.get("metatags") or ""  # docutils writes a second viewport
    context["metatags"] = re.sub('<meta name="viewport"[^>]*>', "", tags)


def deferred(script: _JavaScript) -> _JavaScript:
    """Return a script that waits for the page, one of settings where it has to."""
    if script.filename:
        return _JavaScript(script.filename, priority=script.priority, defer="defer")
    if "DOCUMENTATION_OPTIONS" not in script.attributes["body"]:
        return script  # for a script that comes later
    # Written in the page, a module is what waits its turn among the deferred.
    body = {"type": "module", "body": script.attributes["body"]}
    return _JavaScript(None, priority=script.priority, **body)


def remove(app: Sphinx, exception: Exception | None) -> None:
    """Take out of the site what no page asks for."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    for name in UNUSED:
        (static / name).unlink(missing_ok=True)
    for path in [*static.rglob("*.css"), *static.rglob("*.js")]:
        text = path.read_text("utf-8")
        if match := re.search(r"\s*/[/*]# sourceMappingURL=(\S+?)( ?\*/)?\s*$", text):
            path.write_text(text[: match.start()] + "\n", "utf-8", newline="\n")
            path.with_name(match[1]).unlink(missing_ok=True)
