"""Column types that keep what they are given: exact decimals, aware UTC times, lists of flags.

Belongs here: type decorators. Does not belong here: tables.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Numeric, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

_UNUSUAL = ("E", "N", "I", "\n-0")


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal that comes back digit for digit: NUMERIC in PostgreSQL, text in SQLite.

    SQLite would store a float, which loses digits (measured: design, section 2).
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(Numeric())

    def bind_processor(self, dialect: Dialect) -> Callable[[Decimal | None], Any]:
        """Without the steps that TypeDecorator puts around `process_bind_param`: it is called often."""
        is_text = dialect.name == "sqlite"

        def process(value: Decimal | None) -> Any:
            if value is None:
                return None
            if not isinstance(value, Decimal) or not value.is_finite():
                raise TypeError(f"a finite Decimal is wanted, not {value!r}")
            if not value:
                value = value.copy_abs()  # PostgreSQL knows no -0 either
            return format(value, "f") if is_text else value

        return process

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)

    def process_many(self, values: Sequence[Decimal | None], dialect: Dialect) -> Sequence[Any]:
        """What the bind processor makes of each value, several times faster for a long column."""
        process = self.bind_processor(dialect)
        if dialect.name == "sqlite" and set(map(type, values)) == {Decimal}:
            texts = list(map(str, values))
            # The text of nearly every decimal is what format(…, "f") gives. Others have an
            # exponent, are no number (NaN, Infinity), or may be a zero with a sign.
            joined = "\n".join(["", *texts])
            if not any(mark in joined for mark in _UNUSUAL):
                return texts
        return list(map(process, values))


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time: TIMESTAMP WITH TIME ZONE in PostgreSQL, ISO text with offset in SQLite.

    A naive time is refused: SQLite would silently drop an offset and the hour would be a guess.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"an aware time is wanted, not {value!r}")
        in_utc = value.astimezone(UTC)
        # A fixed width makes text order the order of time.
        return in_utc.isoformat(timespec="microseconds") if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return at.astimezone(UTC)


class FlagList(TypeDecorator[tuple[str, ...]]):
    """A short list of strings (quality flags, ids), kept as JSON text; empty is `[]`, never null."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        return tuple(json.loads(value)) if value else ()
