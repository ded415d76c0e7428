"""The one MetaData, and the column types that both databases share.

Each subject's tables stand on its own page (`identity/tables.py`, `drive/tables.py`, `audit.py`);
all register here, so that migrations and tests can see them as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit id. SQLite numbers rows by itself only where the type is spelled INTEGER."""


def exact(length: int) -> String:
    """Text that is looked up or kept apart: compared sign by sign, alike on both databases.

    SQLite does so by itself. PostgreSQL would sort by the rules of a language, which differ from
    machine to machine and may change with an update of the system under an index's feet.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC, to the microsecond.

    PostgreSQL keeps it as timestamptz. SQLite has no such type: there it is text of one fixed
    width with its offset, so that comparing texts compares times.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(32))
        return dialect.type_descriptor(DateTime(timezone=True))

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Refuse naive times and bring aware ones to UTC."""
        is_sqlite = dialect.name == "sqlite"

        def to_database(value: datetime | None) -> Any:
            if value is None:
                return None
            if value.tzinfo is None:
                raise TypeError("a time without a zone was about to be stored")
            value = value.astimezone(UTC)
            return value.isoformat(timespec="microseconds") if is_sqlite else value

        return to_database

    def result_processor(
        self,
        dialect: Dialect,
        coltype: object,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> Callable[[Any], datetime | None]:
        """Give aware UTC times back."""
        if dialect.name == "sqlite":
            return lambda value: None if value is None else datetime.fromisoformat(value)
        return lambda value: None if value is None else value.astimezone(UTC)


class Words(TypeDecorator[tuple[str, ...]]):
    """A sorted set of short words (scopes, permissions, flags), kept as one line of text.

    One column is read faster than a table of pairs, and sets of words are always read whole.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(
        self,
        value: tuple[str, ...] | frozenset[str] | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> str | None:
        """Join sorted words by spaces."""
        if value is None:
            return None
        if any(word.split() != [word] for word in value):
            raise ValueError("a word to be stored is empty, or holds a blank")
        return " ".join(sorted(set(value)))

    def process_result_value(
        self,
        value: str | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> tuple[str, ...] | None:
        """Split them again."""
        return None if value is None else tuple(value.split())


def numbered_table(name: str, *parts: SchemaItem) -> Table:
    """Return a new table with an `id` that the database gives, and never gives twice.

    SQLite must be asked for that: it would hand the number of a deleted last row out again, and
    with it the URL of a mailbox's drive or the `oc:fileid` of a file.
    """
    number = Column("id", BigId, Identity(), primary_key=True)
    return Table(name, metadata, number, *parts, sqlite_autoincrement=True)


def reference(name: str, target: str, *, nullable: bool = False, index: bool = True) -> Column[int]:
    """Return a new column `name`, a foreign key to the id of the table `target`.

    Indexed by default: neither database does that for foreign keys, and deletes need it.
    """
    return Column(name, BigId, ForeignKey(f"{target}.id"), nullable=nullable, index=index or None)


def one_of(column: str, *words: str) -> CheckConstraint:
    """Return a rule that `column` holds one of these words. A further one needs a migration."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
