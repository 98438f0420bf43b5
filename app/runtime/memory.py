"""What a process of ours does with its memory."""

import gc


def spare_garbage_collector() -> None:
    """What was imported stays until the process ends, and hardly anything of ours holds itself in a circle.

    Looking through it all again and again took a server a quarter of its time, and an import of a file as much.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
