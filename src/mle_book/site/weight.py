"""A page asks for the scripts and styles that it uses, and no script makes it wait.

Extensions load what they bring on every page, whether or not anything there needs it.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.builders.html._assets import _CascadingStyleSheet, _JavaScript

# What a file acts on, as it is in the body of a page.
USED_BY = {
    "maths.css": "<math",
    "maths.js": "<math",
    "clipboard.min.js": 'class="highlight',
    "copybutton.js": 'class="highlight',
    "copybutton.css": 'class="highlight',
    "sphinx-design.min.css": 'class="([^"]* )?sd-',
    "design-tabs.js": 'class="([^"]* )?sd-tab-set',
    "explorers.js": '<section class="explorer',
    "explorers.css": '<section class="explorer',
}
# Other forms of the theme's icons than the fonts that pages fall back to.
UNUSED = "scripts/fontawesome.js*", "**/*.map", "vendor/fontawesome/webfonts/*.ttf"


def choose(app: Sphinx, page: str, template: str, context: dict, *_: object) -> None:
    """Leave out the files that nothing on the page uses; defer the scripts."""
    body = context.get("body") or ""

    def used(file: _CascadingStyleSheet | _JavaScript) -> bool:
        if not file.filename:  # settings of the theme for what the book does not have
            return False
        return bool(re.search(USED_BY.get(Path(file.filename).name, ""), body))

    context["script_files"] = [
        _JavaScript(each.filename, priority=each.priority, defer="defer")
        for each in filter(used, context["script_files"])
    ]
    basic = _CascadingStyleSheet("_static/basic.css", priority=1)
    theme = _CascadingStyleSheet("_static/styles/pydata-sphinx-theme.css", priority=2)
    context["css_files"] = [basic, theme, *filter(used, context["css_files"])]


def remove(app: Sphinx, exception: Exception | None) -> None:
    """Take out of the site what no page asks for."""
    if not exception and app.builder.format == "html":
        for pattern in UNUSED:
            for path in Path(app.outdir, "_static").glob(pattern):
                path.unlink()
