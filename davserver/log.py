"""What the server writes to standard error: lines for people on a terminal, JSON elsewhere.

The only importer of `structlog`. All other modules log through the standard library and know
nothing of this one. Whatever looks like a secret is taken out here, last of all (`masking`), and
no value can break a line or steer a terminal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from davserver.masking import escape, mask_fields
from storage.sections import LogConfig

# Below a warning these tell of their own work only: statements, rows, requests, retries.
_TALKATIVE = ("alembic", "boto3", "botocore", "s3transfer", "sqlalchemy", "urllib3")

Event = MutableMapping[str, Any]  # Any: a log call may carry whatever it likes


def configure_logging(config: LogConfig, *, stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream` (standard error), in the configured form.

    A second call takes the place of the first.
    """
    stream = sys.stderr if stream is None else stream
    is_json = config.format == "json" or (config.format == "auto" and not stream.isatty())
    handler = _Handler(stream)
    handler.setFormatter(_formatter(is_json=is_json, has_colours=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.level.upper())
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)


@contextmanager
def request_context(request_id: str, **about: object) -> Iterator[None]:
    """Put the request's id, and what else is given, into every line logged meanwhile."""
    with structlog.contextvars.bound_contextvars(request_id=request_id, **about):
        yield


class _Handler(logging.StreamHandler[TextIO]):
    """Writes a line, or says which call could not be written; never troubles the caller.

    The standard handler would print the call's arguments instead, secrets and all.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - whatever a value's own __str__ raises, or a wrong %
            line = self.format(_instead_of(record))
        try:
            self.stream.write(line + self.terminator)
            self.flush()
        except (OSError, ValueError):
            pass  # nobody reads our log any more; the work goes on


def _instead_of(record: logging.LogRecord) -> logging.LogRecord:
    words = "a line of the log could not be written; its call stands at %s:%d"
    place = (record.filename, record.lineno)
    return logging.LogRecord(
        record.name, logging.ERROR, record.pathname, record.lineno, words, place, None
    )


def _formatter(*, is_json: bool, has_colours: bool) -> logging.Formatter:
    rendering: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer()]  # in ASCII, as JSON's own escapes are safe anywhere
        if is_json
        else [
            _in_one_line,
            structlog.dev.ConsoleRenderer(
                colors=has_colours,
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _without_secrets,
            *rendering,
        ],
    )


def _without_secrets(_logger: Any, _method: str, event: Event) -> Event:  # Any: structlog's own
    return mask_fields(dict(event))


def _in_one_line(_logger: Any, _method: str, event: Event) -> Event:  # Any: structlog's own
    """Escape what breaks lines. A traceback keeps its lines, all indented: none looks like ours."""
    shown = {
        escape(name): escape(value) if isinstance(value, str) else value
        for name, value in event.items()
    }
    if isinstance(traceback := event.get("exception"), str):
        shown["exception"] = "\n".join(f"  {escape(line)}" for line in traceback.splitlines())
    return shown
