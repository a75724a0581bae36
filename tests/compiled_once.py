"""What SQLAlchemy compiles of a statement serves every database of a test process.

A program has one database for as long as it runs, and compiles each statement once. The tests open thousands of them,
each with engines of its own, and would spend a quarter of their time on compiling the same statements again.
SQLAlchemy keeps what it has compiled by engine and dialect, so engines for the same kind of database get the dialect
and the store of the first one that was connected. Pools, connections and transactions stay their own.
"""

from typing import Any

import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.util import LRUCache

from shared_schema.service import database

MOST_STATEMENTS = 2_000
"""More than both programs have, so that their tests do not push each other's statements out."""

_first: dict[str, Engine] = {}
_compiled: LRUCache[Any, Any] = LRUCache(MOST_STATEMENTS)


def create_engine(url: Any, **options: Any) -> Engine:
    """As SQLAlchemy's, for an engine that remembers what others of its kind have compiled."""
    engine = sqlalchemy.create_engine(url, **options)
    kind = engine.dialect.name
    if (first := _first.get(kind)) is not None:
        engine.dialect = first.dialect
    else:  # a dialect learns from its first connection what the server can do; before that it is nobody's model
        event.listen(engine, "connect", lambda *_: _first.setdefault(kind, engine), once=True)
    engine.update_execution_options(compiled_cache=_compiled)
    return engine


def install() -> None:
    """From now on, in this process."""
    setattr(database, "create_engine", create_engine)  # noqa: B010 - the type checker knows it as SQLAlchemy's
