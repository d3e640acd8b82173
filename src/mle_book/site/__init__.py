"""The Sphinx extension of the site: each module here adds one thing to its pages."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

PARTS = (
    *("contents", "downloads", "exercises", "explorers", "figures"),
    *("head", "maths", "search", "tables", "weight"),
)


def setup(app: Sphinx) -> None:
    """Let each part connect to the build."""
    app.connect("config-inited", offer_templates)
    for part in PARTS:
        app.setup_extension(f"mle_book.site.{part}")


def offer_templates(app: Sphinx, config: Config) -> None:
    """Let the templates beside this file go before the theme's of their names."""
    config.templates_path.append(str(Path(__file__).parent))
