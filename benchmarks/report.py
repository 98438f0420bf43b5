"""What a benchmark found: a table for people, and JSON to compare runs by."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """`ours` beside `limit`, in `unit`; `ratio` has to be at least or at most `target`, None where it is only told."""

    name: str
    ours: float
    limit: float
    ratio: float
    unit: str
    target: float | None = None
    bound: Literal["at least", "at most"] = "at least"
    note: str = ""

    @property
    def ok(self) -> bool | None:
        if self.target is None:
            return None
        return self.ratio >= self.target if self.bound == "at least" else self.ratio <= self.target


def write_json(results: Iterable[Result], path: Path) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    rows = {
        result.name: {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in (asdict(result) | {"ok": result.ok}).items()
            if name != "name"
        }
        for result in results
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"commit": commit.stdout.strip() or None, "rows": rows}, indent=2) + "\n")


def print_table(results: Iterable[Result]) -> None:
    table = Table("row", "ours", "against", "unit", "ratio", "target", "", "note")
    for result in results:
        target = (
            "reported" if result.target is None else f"{'≥' if result.bound == 'at least' else '≤'} {result.target:g}"
        )
        verdict = {True: "ok", False: "missed", None: ""}[result.ok]
        numbers = (f"{result.ours:,.1f}", f"{result.limit:,.1f}")
        table.add_row(result.name, *numbers, result.unit, f"{result.ratio:.2f}", target, verdict, result.note)
    Console(width=160).print(table)
