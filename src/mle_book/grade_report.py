"""Write marks down: tables, a page for each student, and what goes to the platform."""

from __future__ import annotations

import html
import re
import time
import unicodedata
from dataclasses import astuple, dataclass
from pathlib import Path

import pandas as pd

from mle_book.grade_collect import Student

GRADES = Path(__file__).parents[2] / "_build/grades"
OVERRIDES = ["student", "question", "points", "why"]
# How the table of a platform names students, and numbers them.
PLATFORMS = {"canvas": ("Student", "ID"), "moodle": ("Full name", "Identifier")}

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto }}
th, td {{ padding: .3rem .6rem; text-align: left; vertical-align: top }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


@dataclass
class Mark:
    """What a student got for a question, and why not more."""

    question: str
    points: float
    maximum: float
    comment: str


Marks = dict[tuple[str, str], list[Mark]]  # by student and exercise


def table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Return the table at `path`, its fields as text; raise without these columns."""
    found = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if lost := set(columns) - set(found.columns):
        raise ValueError(f"{path}: has no column {', '.join(sorted(lost))}")
    return found


def override(marks: Marks, path: Path) -> None:
    """Put in place of marks what the file at `path` says, with its reason."""
    for number, row in table(path, OVERRIDES).iterrows():
        exercise, _, question = row["question"].rpartition(" ")
        for mark in marks.get((row["student"], exercise), []):
            if mark.question == question:
                mark.points = float(row["points"])
                mark.comment = f"set by hand: {row['why']}"
                break
        else:
            raise ValueError(f"{path}, row {number + 1}: nothing like that was marked")


def enrol(students: list[Student], path: Path) -> tuple[str, pd.DataFrame]:
    """Match students with a platform's table; add those who handed in nothing."""
    columns = pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns
    known = [k for k, names in PLATFORMS.items() if {*names} <= {*columns}]
    if not known:
        raise ValueError(f"{path}: neither Canvas's gradebook nor Moodle's worksheet")
    called, numbered = PLATFORMS[known[0]]
    roster = table(path, [called, numbered])
    roster["mle"] = ""
    for row in roster.index:
        number = re.sub(r"\D", "", roster.at[row, numbered])
        name = _letters(roster.at[row, called])
        own = [s for s in students if s.id == number or _letters(s.name) == name]
        if number and not own:
            own = [Student(roster.at[row, called], remarks=["nothing handed in"])]
            students += own
        if number and len(own) == 1:
            own[0].id, roster.at[row, "mle"] = number, own[0].name
    for student in students:
        if student.name not in set(roster["mle"]):
            student.remarks.append("not in the roster")
    return known[0], roster


def _letters(name: str) -> str:
    """Return the letters of a name, whatever stands first, with no accent."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(sorted(re.findall(r"\w", plain)))


def write(marks: Marks, students: list[Student], folder: Path) -> pd.DataFrame:
    """Write the tables and pages of all students; return their totals by exercise."""
    if (folder / "grades.csv").exists():  # what an earlier run left is kept beside
        made = time.localtime((folder / "grades.csv").stat().st_mtime)
        earlier = folder / "earlier" / time.strftime("%Y-%m-%d %H.%M.%S", made)
        earlier.mkdir(parents=True, exist_ok=True)
        for name in ("grades.csv", "long.csv", "summary.html", "students"):
            (folder / name).rename(earlier / name)
    (folder / "students").mkdir(parents=True)
    rows = [[*key, *astuple(mark)] for key, own in marks.items() for mark in own]
    long = pd.DataFrame(rows, columns=["student", "exercise", *Mark.__annotations__])
    by_exercise = long.groupby(["exercise", "student"])["points"].sum().unstack(0)
    people = {each.name: each for each in sorted(students, key=lambda s: s.name)}
    wide = pd.DataFrame({"id": [p.id for p in people.values()]}, index=[*people])
    for exercise, own in long.groupby("exercise"):
        for question, each in own.groupby("question", sort=False):
            name, points = f"{exercise} {question}", each.set_index("student")["points"]
            wide[name], wide[f"{name} maximum"] = points, each["maximum"].iloc[0]
    wide["points"] = by_exercise.sum(axis=1)
    wide["maximum"] = wide.filter(regex=" maximum$").sum(axis=1)
    wide["remarks"] = ["; ".join(person.remarks) for person in people.values()]
    for name, frame in (
        ("grades", wide.rename_axis("student").reset_index()),
        ("long", long),
    ):
        _inert(frame).to_csv(folder / f"{name}.csv", index=False)

    asked = ["question", "points", "maximum", "comment"]
    for name, person in people.items():
        own = long[long["student"] == name].groupby("exercise")
        parts = {
            f"{exercise}: {each['points'].sum():g} of {each['maximum'].sum():g}": each[
                asked
            ]
            for exercise, each in own
        }
        parts["Remarks"] = pd.DataFrame({"": person.remarks})
        _page(folder / f"students/{name}.html", name, parts)
    said = long.assign(comment=long["comment"].str.split("; ")).explode("comment")
    failures = said[said["comment"] != ""].value_counts(
        ["exercise", "question", "comment"]
    )
    means = (
        long.groupby(["exercise", "question"])[["points", "maximum"]].mean().round(2)
    )
    summary = {
        "Commonest failures": failures.head(20).reset_index(name="students"),
        "Questions, mean points": means.reset_index(),
        "Students": wide[["points", "maximum", "remarks"]].reset_index(names="student"),
    }
    _page(folder / "summary.html", "The class", summary)
    return by_exercise


def _inert(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of which a spreadsheet takes no text for a formula."""
    return frame.map(
        lambda v: f"'{v}" if isinstance(v, str) and re.match(r"[=+\-@\t\r]", v) else v
    )


def _page(path: Path, title: str, parts: dict[str, pd.DataFrame]) -> None:
    with pd.option_context("display.max_colwidth", None):
        body = "".join(
            f"<h2>{html.escape(heading)}</h2>\n{part.to_html(index=False, border=0)}\n"
            for heading, part in parts.items()
            if len(part)
        )
    path.write_text(PAGE.format(title=html.escape(title), body=body), "utf-8")


def give_back(
    totals: pd.DataFrame, platform: str, roster: pd.DataFrame, folder: Path
) -> None:
    """Write the platform's own table with the totals, for it to import."""
    for exercise in totals:
        points = (
            roster["mle"].map(totals[exercise]).map("{:g}".format, na_action="ignore")
        )
        column = next((c for c in roster if c.startswith(exercise)), exercise)
        if platform == "moodle":
            filled = roster.assign(Grade=points).drop(columns="mle")
            filled.to_csv(folder / f"moodle-{exercise}.csv", index=False)
        else:
            roster[column] = points
    if platform == "canvas":
        roster.drop(columns="mle").to_csv(folder / "canvas.csv", index=False)
