"""Answers that are kept as long as what they were made of stays the same. The key says what that is.

Nothing is ever out of date here: a key has the digests of all statements that are in the answer, or the number of the
last audit event, without which nobody changes anything. An answer that was not asked for lately is dropped.

    tables = Remembered(64)
    tables.get((digests, query), lambda: make_tables(…))
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """At most `most` answers, the one that was not asked for longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer for a key, made anew when it is not there. Two who ask at once may both make it."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = make()
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return answer
