"""`python -m app.predictions.engine RUN`: execute a queued run on the database of DATABASE_URL, out of others' way."""

import os
import sys
from contextlib import suppress

from app.predictions.engine.execution import execute

_NICENESS = 10

if __name__ == "__main__":
    with suppress(OSError, AttributeError):  # not on every system
        os.nice(_NICENESS)
    execute(os.environ["DATABASE_URL"], int(sys.argv[1]))
