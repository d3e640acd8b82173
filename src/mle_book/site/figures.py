"""Figures in the smallest form that shows the same pixels, with size and number.

The figures are stored as PNG, which every notebook editor shows. As lossless WebP they
take a third of the bytes. With its size known, a figure moves no text when it arrives.
Sphinx numbers the figures of chapters; those of other pages get a letter: A.1 in the
appendix, E1.1 in exercises. Those with a colour map are marked, for a dark page.
"""

import re
from functools import cache
from pathlib import Path
from string import ascii_uppercase

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms.images import BaseImageConverter
from sphinx.writers.html5 import HTML5Translator

from mle_book import figure_facts

SIZE = r' style="width: (\d+)(?:px)?; height: (\d+)(?:px)?;"'


class Compress(BaseImageConverter):
    """Put a WebP of the same pixels in place of each PNG."""

    default_priority = 300

    def match(self, node: nodes.image) -> bool:
        """Return whether `node` is one of the site's PNGs."""
        return self.app.builder.format == "html" and node["uri"].endswith(".png")

    def handle(self, node: nodes.image) -> None:
        """Convert the image of `node`."""
        source = Path(self.app.srcdir, node["uri"])
        name = self.env.images[node["uri"]][1]  # no two are the same
        target = Path(self.imagedir, name).with_suffix(".webp")
        with Image.open(source) as image:
            target.parent.mkdir(parents=True, exist_ok=True)
            image.save(target, lossless=True, quality=100)
            if "width" not in node:
                node["width"], node["height"] = (f"{each}px" for each in image.size)
        if source.stem[:16] in colour_mapped(Path(self.env.doc2path(self.env.docname))):
            node["classes"].append("colour-map")
        node["uri"] = str(target)
        node["candidates"] = {"*": node["uri"]}  # Sphinx does not count WebP as one
        self.env.original_image_uri[node["uri"]] = str(source)
        self.env.images.add_file(self.env.docname, node["uri"])


@cache
def colour_mapped(notebook: Path) -> set[str]:
    """Return the fingerprints of those figures of a notebook that have a colour map."""
    return {
        fingerprint
        for fingerprint, facts in figure_facts.load(notebook).items()
        for axes in facts["axes"]
        for artist in axes["artists"]
        if "map" in artist
    }


def visit(translator: HTML5Translator, node: nodes.image) -> None:
    """Write the tag of an image with its size as attributes, which keep its place."""
    HTML5Translator.visit_image(translator, node)
    tag = re.sub(SIZE, r' width="\1" height="\2"', translator.body[-1])
    translator.body[-1] = tag


def letter(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Put a letter in place of the missing number of a chapter."""
    letters = iter(ascii_uppercase)
    for page, kinds in sorted(env.toc_fignumbers.items()):
        if "figure" not in kinds or env.toc_secnumbers.get(page):
            continue
        exercises = re.search(r"/exercises/0*(\d+)-", page)
        chapter = f"E{exercises[1]}" if exercises else next(letters)
        figures = kinds["figure"]
        for number, name in enumerate(sorted(figures, key=figures.get), start=1):
            figures[name] = chapter, number
    return []
