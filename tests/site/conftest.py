"""The built site, served as a web server would, and a real browser to read it in."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from mle_book import browser as installed

HTML = Path(__file__).parents[2] / "_build/html"


class Quiet(SimpleHTTPRequestHandler):
    """A server that logs nothing, and compresses text as GitHub Pages does."""

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Send a file, or the page for what is missing."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        status = HTTPStatus.OK if path.is_file() else HTTPStatus.NOT_FOUND
        path = path if path.is_file() else Path(self.directory, "404.html")
        content, kind = path.read_bytes(), self.guess_type(path)
        self.send_response(status)
        if not kind.startswith(("image/webp", "image/png", "font/")):
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # the browser has left the page
            self.wfile.write(content)


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built site."""
    if not (HTML / "index.html").is_file():
        pytest.fail("_build/html holds no site to test; build it with: make book")
    return HTML


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the site in a folder; give its address, with a slash at the end."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """The address of the built site, with a slash at the end."""
    with serving(html) as address:
        yield address


@pytest.fixture(
    scope="module"
)  # what else runs in this process has its event loop back
def browser() -> Iterator[Browser]:
    """A browser of this machine; without one, what needs it has not been run."""
    try:
        path = installed.find()
    except installed.BrowserError as error:
        pytest.skip(f"not run: {error}")
    with sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def pages(html: Path) -> list[str]:
    """The path of every page, but of the one at the root, which only leads on."""
    paths = sorted(path.relative_to(html) for path in html.rglob("*.html"))
    return [p.as_posix() for p in paths if p.parts[0] not in ("_static", "index.html")]


class Explorer:
    """An explorer of a page, as its reader uses it."""

    def __init__(self, page: Page, number: int) -> None:
        """Go to the explorer of that number on the page, and wait until it works."""
        self.page = page
        self.root = page.locator("section.explorer").nth(number)
        self.root.evaluate("(root) => root.scrollIntoView()")
        self.root.and_(page.locator(".explorer-ready")).wait_for()

    def control(self, name: str) -> Locator:
        """Return a control by its name."""
        return self.root.locator(f'[name="{name}"]')

    def set(self, **values: object) -> None:
        """Move controls, each to its value."""
        for name, value in values.items():
            control = self.control(name)
            kind = control.evaluate("(control) => control.type")
            if kind == "checkbox":
                control.set_checked(value)
            elif kind == "select-one":
                control.select_option(str(value))
            else:
                control.fill(str(value))

    def press(self, name: str) -> None:
        """Press a button."""
        self.control(name).click()

    def text(self, name: str) -> str:
        """Return what is shown for a number, with the minus sign of computers."""
        shown = self.root.locator(f'[data-number="{name}"]').inner_text()
        return shown.replace("\N{MINUS SIGN}", "-")

    def number(self, name: str) -> float:
        """Return a number that is shown."""
        return float(self.text(name))

    def matrix(self, name: str) -> list[list[float]]:
        """Return a matrix that is shown, as its rows."""
        rows = self.root.locator(f'[data-number="{name}"] mtr').all()
        texts = [row.locator("mn").all_text_contents() for row in rows]
        return [[float(x.replace("\N{MINUS SIGN}", "-")) for x in row] for row in texts]

    def drawn(self, chart: int, layer: int) -> list[dict[str, float]]:
        """Return the rows of its table that a layer of a chart draws, in order."""
        place = self.root.locator(".explorer-chart").nth(chart)
        rows = "([mark]) => mark?.__data__.mark.items.map(({ datum }) => datum) ?? []"
        return place.locator(f".layer_{layer}_marks > *").evaluate_all(rows)


@pytest.fixture
def explore(browser: Browser, site: str) -> Iterator[Callable[..., Explorer]]:
    """Open an explorer: its page, its number there, and options of the browser."""
    contexts = []

    def open_explorer(path: str, number: int = 0, **options: object) -> Explorer:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.goto(site + path)
        return Explorer(page, number)

    yield open_explorer
    for context in contexts:
        context.close()
