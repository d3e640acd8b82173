"""What is drawn in a figure, as numbers and words: its facts.

A kernel imports this; `mle_book.figure_facts` stores and compares what it says.
"""

import math
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import Collection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.spines import Spine
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter
from numpy.typing import ArrayLike

MISSING = -99.0  # stands for NaN and the infinite


def describe(figure: Figure) -> dict[str, Any]:
    """Return what `figure` shows, in plain values."""
    figure.draw_without_rendering()  # settles the limits
    return {
        "size": [round(float(side), 2) for side in figure.get_size_inches()],
        "words": _words([*figure.texts, figure._suptitle]),
        "axes": [_describe_axes(ax) for ax in figure.axes],
    }


def _describe_axes(ax: Axes) -> dict[str, Any]:
    legend = ax.get_legend()
    artists = [a for a in ax.get_children() if a.get_visible() and a is not ax.patch]
    artists = [a for a in artists if not isinstance(a, Spine)]
    texts = [a for a in artists if isinstance(a, Text)]
    formatters = [axis.get_major_formatter() for axis in (ax.xaxis, ax.yaxis)]
    ticks = [f.seq for f in formatters if isinstance(f, FixedFormatter)]
    return {
        "words": _words([ax.xaxis.label, ax.yaxis.label, *texts]),
        "legend": _words(legend.get_texts()) if legend else [],
        "tick labels": [str(label) for labels in ticks for label in labels],
        "scales": [ax.get_xscale(), ax.get_yscale()],
        "aspect": str(ax.get_aspect()),
        "x limits": _numbers(ax.get_xlim(), ax.get_xscale() == "log"),
        "y limits": _numbers(ax.get_ylim(), ax.get_yscale() == "log"),
        "artists": [d for a in artists if (d := _describe_artist(a, ax)) is not None],
    }


def _describe_artist(artist: Artist, ax: Axes) -> dict[str, Any] | None:
    """Return kind, style and points of what draws data; nothing for the rest."""
    if isinstance(artist, Line2D):
        kind, style = "line", [to_hex(artist.get_color()), artist.get_linestyle()]
        style += [str(artist.get_marker()), artist.get_linewidth()]
        shapes = [artist.get_transform().transform(artist.get_xydata())]
    elif isinstance(artist, Patch):
        kind, style = "patch", [to_hex(artist.get_facecolor(), keep_alpha=True)]
        style += [to_hex(artist.get_edgecolor()), artist.get_linestyle()]
        shapes = [artist.get_transform().transform_path(artist.get_path()).vertices]
    elif isinstance(artist, PathCollection):  # a scatter
        kind, style = "markers", [f"{size:.4g}" for size in artist.get_sizes()[:20]]
        offsets = np.ma.filled(artist.get_offsets(), np.nan)
        shapes = [artist.get_offset_transform().transform(offsets)]
    elif isinstance(artist, Collection):
        kind, style = "shapes", [f"{width:.4g}" for width in artist.get_linewidths()]
        paths = [artist.get_transform().transform_path(p) for p in artist.get_paths()]
        shapes = [path.vertices for path in paths]
    elif isinstance(artist, AxesImage):
        kind, style = "image", [artist.origin]
        corners = np.reshape(artist.get_extent(), (2, 2), order="F")
        shapes = [ax.transData.transform(corners)]
    else:
        return None
    to_axes = ax.transAxes.inverted()
    points = [_points(to_axes.transform(shape)) for shape in shapes if len(shape)]
    return {"kind": kind, "style": style, "points": points, **_colours(artist)}


def _colours(artist: Artist) -> dict[str, Any]:
    """Return the values that colours stand for, or the colours themselves."""
    if not isinstance(artist, ScalarMappable):
        return {}
    if artist.get_array() is None:
        faces, edges = artist.get_facecolor()[:20], artist.get_edgecolor()[:20]
        return {"colours": [to_hex(c, keep_alpha=True) for c in (*faces, *edges)]}
    values = np.ma.filled(artist.get_array().astype(float), np.nan)
    return {
        "values": _numbers(values),
        "map": artist.get_cmap().name,
        "range": _numbers(artist.get_clim()),
    }


def _words(texts: list[Text | None]) -> list[str]:
    return [text.get_text() for text in texts if text is not None and text.get_text()]


def _points(points: np.ndarray) -> dict[str, Any]:
    """Return the points of a line or an outline, in units of the axes."""
    return {**_numbers(np.clip(points, -99, 99)), "span": 1.0}


def _numbers(array: ArrayLike, log: bool = False) -> dict[str, Any]:
    """Return how many rows there are, up to 41 of them, their mean and their spread."""
    rows = np.asarray(array, dtype=float)
    rows = (np.log10(rows) if log else rows).reshape(len(rows), -1)
    rows = np.where(np.abs(rows) < 1e99, rows, MISSING)  # contours end at 1e250
    span = float(rows.max() - rows.min()) or 1.0
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), 41)).astype(int), :8]
    numbers = [rows.mean(axis=0)[:8], rows.std(axis=0)[:8], some.ravel()]
    digits = 5 - math.ceil(math.log10(span))
    rounded = [round(float(number), digits) for number in np.concatenate(numbers)]
    return {"rows": len(rows), "numbers": rounded, "span": float(f"{span:.3g}")}
