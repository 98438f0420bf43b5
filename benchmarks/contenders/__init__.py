"""What is measured beside each other: a script a library, each run in an environment where that is installed.

Libraries of others need versions that contradict ours or each other, and nothing of the product needs them: each has an
environment of its own below build/, which is made once. They measure the processor's time and not the clock's: all work
in one thread, and what else the machine does counts for less.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import ROOT

ENVIRONMENTS = ROOT / "build" / "bench"
SECONDS_TO_INSTALL, SECONDS_TO_RUN = 900, 600
# More threads of linear algebra than one only wait for each other on arrays this small, in ours as in theirs.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Unavailable(Exception):
    """The library could not be installed; the message says why."""


@dataclass(frozen=True)
class Contender:
    """A script of this folder, and what it needs: an exact requirement, or nothing but what this process has."""

    script: str
    requirement: str | None = None

    @property
    def name(self) -> str:
        return (self.requirement or "ours").partition("==")[0]

    def run(self, *arguments: str | Path) -> dict[str, Any]:
        """What the script prints, as JSON. Raises Unavailable, and RuntimeError for a script that fails."""
        python = self._install()
        finished = subprocess.run(
            [python, "-W", "ignore", Path(__file__).parent / self.script, *arguments],
            cwd=ROOT,
            env=os.environ | ONE_THREAD,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_TO_RUN,
        )
        if finished.returncode:
            raise RuntimeError(f"{self.script} ended with {finished.returncode}:\n{finished.stderr[-2000:]}")
        printed: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        return printed

    def _install(self) -> Path:
        if self.requirement is None:
            return Path(sys.executable)
        folder = ENVIRONMENTS / self.requirement.replace("==", "-")
        python, done = folder / "bin" / "python", folder / ".installed"
        if not done.exists():
            pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
            _install_with(sys.executable, "-m", "venv", "--clear", "--without-pip", folder)
            _install_with(*pip, "install", "--quiet", self.requirement)
            done.touch()
        return python


def _install_with(*command: str | Path) -> None:
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS_TO_INSTALL)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"not installed within {SECONDS_TO_INSTALL} seconds") from error
    if finished.returncode:
        said = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
        reasons = [line for line in said if line.startswith("ERROR")] or said or ["pip failed"]
        raise Unavailable(reasons[0][:200])
