"""What a worker does on the operator's signals: stop, or read certificates and log level again.

A signal handler runs in the middle of anything, so ours only put a word into a queue (the one kind
that handlers may use); a thread acts on it.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import threading
from collections.abc import Callable, Iterator

from storage.errors import StoreError

logger = logging.getLogger(__name__)

_STOPPING = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def taking_orders(*, stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGTERM and Ctrl-C, and `reload` on SIGHUP, from a thread of their own."""
    orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def act() -> None:
        while (order := orders.get()) is not None:
            try:
                order()
            except StoreError as error:
                logger.error("the old settings stay: %s", error.message)  # noqa: TRY400 - no bug
            except Exception:
                logger.exception("an order of the operator failed")

    wishes = dict.fromkeys(_STOPPING, stop) | {signal.SIGHUP: reload}
    former = {number: signal.getsignal(number) for number in wishes}
    actor = threading.Thread(target=act, name="orders")
    actor.start()
    for number, wish in wishes.items():
        if former[number] is not signal.SIG_IGN:
            signal.signal(number, lambda *_, wish=wish: orders.put(wish))
    try:
        yield
    finally:
        orders.put(None)
        actor.join()
        for number, handler in former.items():
            signal.signal(number, handler)
