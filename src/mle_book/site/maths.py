"""Maths as MathML, which needs no script.

Jupyter Book would have MathJax, a megabyte from another host, typeset each page while
it is read. Browsers and screen readers read MathML by themselves, with no network.
Each formula holds its LaTeX, which is what copying gives (`maths.js`).
"""

import re

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
converter = LatexToMathML(annotation=True)

# As in TeX, a root is as high as a letter may be: over a low one, Chromium and WebKit
# let it touch the letter and hang below the line.
ROOT = "<msqrt>", '<msqrt><mspace height="0.75em"/>'
# WebKit sets an accent in its place only where it may stretch.
ACCENT = re.compile('(?<=<mo stretchy=)"false"(?=>[^<]*</mo></mover>)')


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula inside a line."""
    formula = mathml(node, display=False)
    translator.body.append(f'<span translate="no">{formula}</span>')
    raise nodes.SkipNode


def visit_display(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own; `keyboard.js` looks after a wide one."""
    formula = mathml(node, display=True)
    translator.body.append(f'<div class="formula" translate="no">{formula}</div>')
    raise nodes.SkipNode


def mathml(node: nodes.Element, display: bool) -> str:
    """Return the formula in `node` as MathML, or warn and return its source."""
    latex = node.astext().strip()
    try:
        formula = converter.convert_with_local_state(latex, displaystyle=display)
    except LatexError as error:
        logger.warning("cannot read the formula %r: %s", latex, error, location=node)
        return f"<code>{nodes.unescape(latex)}</code>"
    return ACCENT.sub('"true"', formula.replace(*ROOT))
