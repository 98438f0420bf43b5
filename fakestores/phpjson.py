"""JSON as PHP writes it: compact, with slashes and everything beyond ASCII escaped.

A signature is of the bytes, so that these are worth the trouble.
"""

import json
from typing import Any


def encode(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("/", "\\/").encode("ascii")
