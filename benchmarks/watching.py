"""A process that is measured from outside."""

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

import psutil

from benchmarks.report import ROOT

SECONDS_BETWEEN_LOOKS = 0.2


def run_watched(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, int]:
    """Seconds, and the largest memory in bytes that was seen. Raises RuntimeError for a process that fails."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            peak = max(peak, read_memory(watched))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        seconds = time.perf_counter() - started
        if process.returncode:
            log.seek(0)
            said = log.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command[1:])} ended with {process.returncode}:\n{said}")
    return seconds, peak


def read_memory(process: psutil.Process) -> int:
    """Resident bytes of the process and its children, 0 once it has ended."""
    try:
        return sum(int(each.memory_info().rss) for each in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0
