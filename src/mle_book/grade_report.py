"""Write marks down: tables, a page for each student, and what goes to the platform."""

import html
import re
import time
import unicodedata
from pathlib import Path

import pandas as pd

from mle_book.grade_collect import Student

PLATFORMS = [("Student", "ID"), ("Full name", "Identifier")]  # Canvas, Moodle
OVERRIDES = ["student", "question", "points", "why"]
PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>{0}</title>
<h1>{0}</h1>
"""
FORMULA = {r"^(?=[=+@\t\r-])": "'"}  # with the quote, spreadsheets take it for text


def override(long: pd.DataFrame, path: Path) -> None:
    """Put in place of marks what the file at `path` says, with its reason."""
    for row in pd.read_csv(path, usecols=OVERRIDES, dtype=str).itertuples():
        marked = (long["student"] == row.student) & (long["question"] == row.question)
        if not marked.any():
            print(f"{path}: not used: {row.student}, {row.question} was not marked")
        long.loc[marked, "points"] = float(row.points)
        long.loc[marked, "comment"] = f"set by hand: {row.why}"


def enrol(students: list[Student], path: Path) -> pd.DataFrame:
    """Match students with a platform's table; add those who handed in nothing."""
    roster = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = next((each for each in PLATFORMS if {*each} <= {*roster}), None)
    if not columns:
        raise ValueError(f"{path}: neither Canvas's gradebook nor Moodle's worksheet")
    roster["mle"] = ""
    known = {s.id or _letters(s.name): s for s in students}
    for row, (name, number) in enumerate(roster[[*columns]].to_numpy()):
        if number := re.sub(r"\D", "", number):  # not for the row of possible points
            absent = Student(name, remarks=["nothing handed in"])
            student = known.get(number) or known.setdefault(_letters(name), absent)
            student.id, roster.loc[row, "mle"] = number, student.name
    for student in students:
        if student.name not in {*roster["mle"]}:
            student.remarks.append("not in the roster")
    students[:] = known.values()
    return roster


def _letters(name: str) -> str:
    """Return the letters of a name, whatever stands first, with no accent."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(sorted(re.findall(r"[^\W\d_]", plain)))


def write(long: pd.DataFrame, students: list[Student], folder: Path) -> None:
    """Write tables and pages; keep what was there, under its time."""
    if folder.exists():
        made = time.localtime(folder.stat().st_mtime)
        folder.rename(f"{folder} of {time.strftime('%Y-%m-%d %H.%M.%S', made)}")
    (folder / "students").mkdir(parents=True)
    long.replace(FORMULA, regex=True).to_csv(folder / "long.csv", index=False)
    wide = long.pivot(index="student", columns="question", values="points")
    wide = wide.reindex([student.name for student in students])
    wide.loc["(maximum)"] = long.groupby("question")["maximum"].max()
    wide.insert(0, "points", wide.sum(axis=1))
    wide["id"] = pd.Series({student.name: student.id for student in students})
    wide["remarks"] = pd.Series({s.name: "; ".join(s.remarks) for s in students})
    table = wide.sort_index().rename_axis("student").reset_index()
    table.replace(FORMULA, regex=True).to_csv(folder / "grades.csv", index=False)

    for student in students:
        own = long[long["student"] == student.name].drop(columns="student")
        totals = own.groupby("exercise")[["points", "maximum"]].sum().reset_index()
        remarks = pd.DataFrame({"remarks": student.remarks})
        path = folder / f"students/{student.name}.html"
        _page(path, student.name, totals, own, remarks)
    said = long.assign(comment=long["comment"].str.split("; ")).explode("comment")
    often = said[said["comment"] != ""].value_counts(["question", "comment"]).head(20)
    means = long.groupby("question")[["points", "maximum"]].mean().round(2)
    summary = often.reset_index(name="students"), means.reset_index(), table
    _page(folder / "summary.html", "The class", *summary)


def _page(path: Path, title: str, *tables: pd.DataFrame) -> None:
    """Write a page that shows tables."""
    page = PAGE.format(html.escape(title))
    with pd.option_context("display.max_colwidth", None):
        for table in tables:
            page += table.to_html(index=False, border=0, justify="left")
    path.write_text(page, "utf-8")


def give_back(long: pd.DataFrame, roster: pd.DataFrame, folder: Path) -> None:
    """Write the platform's own table with the points of each exercise, to import."""
    for exercise, own in long.groupby("exercise"):
        points = own.groupby("student")["points"].sum().map("{:g}".format)
        ready = [c for c in roster if c == "Grade" or c.startswith(exercise)]
        filled = roster.assign(**{[*ready, exercise][0]: roster["mle"].map(points)})
        path = folder / f"{exercise} for the platform.csv"
        filled.drop(columns="mle").to_csv(path, index=False)
