"""Find a browser of this machine, to print the book with and to test the site in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Chromium and what is built on it, by the names that systems give them.
COMMANDS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("chrome", "microsoft-edge", "msedge"),
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


class BrowserError(Exception):
    """There is no browser; the message says what to install."""


def find() -> str:
    """Return the path of a Chromium browser: of `BROWSER_PATH`, or one installed here.

    Raises:
        BrowserError: There is none.
    """
    if named := os.environ.get("BROWSER_PATH"):
        if found := shutil.which(named):
            return found
        raise BrowserError(f"BROWSER_PATH must name a browser, not {named!r}")
    for command in COMMANDS:
        if found := shutil.which(command):
            return found
    for place in PLACES:
        if Path(place).is_file():
            return place
    raise BrowserError(
        "no Chromium, Chrome or Edge was found: install one (on Debian and Ubuntu: "
        "apt-get install chromium), or name it in BROWSER_PATH"
    )
