"""The built site, served as a web server would, and a real browser to read it in."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mle_book import notebooks, pdf
from mle_book.publish import BUILD, ROOT

from .explore import placed

HTML = BUILD / "html"


# The page with the most cells that has an explorer: it has everything.
CHAPTER = max(
    (page for page, *_ in placed()),
    key=lambda page: len(notebooks.read((ROOT / page).with_suffix(".ipynb")).cells),
)
EXERCISES = [path for path in notebooks.listed() if path.parent.name == "exercises"]
# A page of each kind.
KINDS = [CHAPTER, f"book/exercises/{EXERCISES[0].stem}.html", "search.html", "404.html"]
KINDS += [f"book/{name}.html" for name in ("index", "notation", "api", "instructors")]
PHONE, DESKTOP = {"width": 375, "height": 667}, {"width": 1280, "height": 800}


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


@pytest.fixture(scope="package")  # what else this process runs has its event loop back
def browser() -> Iterator[Browser]:
    """A browser of this machine; without one, what needs it has not been run."""
    try:
        path = pdf.browser()
    except pdf.PrintError as error:
        pytest.skip(f"not run: {error}")
    expect.set_options(timeout=60_000)  # on a machine with much else to do
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


@pytest.fixture(scope="session")
def soups(html: Path, pages: list[str]) -> dict[str, BeautifulSoup]:
    """The pages, to look at only, by their path."""
    texts = {path: (html / path).read_text("utf-8") for path in pages}
    return {path: BeautifulSoup(text, "html.parser") for path, text in texts.items()}


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Open a page of the site in a window of its own."""
    opened = []

    def open_one(path: str, viewport: dict[str, int] = DESKTOP, **options) -> Page:
        still = {"reduced_motion": "reduce", **options}
        opened.append(browser.new_context(viewport=viewport, **still))
        page = opened[-1].new_page()
        page.goto(site + path)
        return page

    yield open_one
    for context in opened:
        context.close()
