"""`make bench`: how fast the API, the console, imports and predictions are, each beside what bounds it.

docs/performance.md tells how to run and to read it.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from app.runtime import migrations
from app.runtime.embedded import throwaway_server
from benchmarks import console, dataset, following, importing, models, predicting, report, servers, serving

SERVED = (*serving.ROWS, *console.SERVED, *predicting.SERVED)
ALONE = (*importing.ROWS, *following.ROWS, *models.ROWS, *predicting.ROWS)


def main() -> int:
    names = [row.__name__ for row in (*SERVED, *ALONE)]
    wanted = sys.argv[1:] or names
    if unknown := set(wanted) - set(names):
        print(f"There is no row {', '.join(sorted(unknown))}; there are {', '.join(names)}.", file=sys.stderr)
        return 2
    results = []
    for result in _run(wanted):
        tell(f"{result.name}: {result.ours:,.1f} beside {result.limit:,.1f} {result.unit}, ratio {result.ratio:.2f}")
        results.append(result)
    report.print_table(results)
    report.write_json(results, report.ROOT / "build" / "bench.json")
    return 0


def _run(wanted: list[str]) -> Iterator[report.Result]:
    if served := [row for row in SERVED if row.__name__ in wanted]:
        with ExitStack() as running:
            database = running.enter_context(throwaway_server())
            migrations.upgrade(database.url)
            tell(f"filling a database with {dataset.ORDERS:,} orders")
            dataset.fill(database.url)
            ours = running.enter_context(servers.our_server(database.url))
            bare = running.enter_context(servers.bare_server(database.url))
            bench = serving.Bench.start(database.url, ours, bare)
            for row in served:
                yield from row(bench)
    for alone in (row for row in ALONE if row.__name__ in wanted):
        yield from alone()


_started = time.monotonic()


def tell(line: str) -> None:
    print(f"{time.monotonic() - _started:6.0f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.pop("DATABASE_URL", None)
    sys.exit(main())
