"""What a run does, told to whoever watches the worker: a log line and a span for each piece of work.

Belongs here: where lines and spans go, and that they carry the ids to follow them by. Does not belong
here: Dagster's own events and metadata (metadata), or figures over time (okr_sync.commands.metrics).

Both are off unless the environment asks for them: OKR_SYNC_LOG for lines on standard error, and
OpenTelemetry's own variables for spans. What is told are ids, counts, times and the words of errors;
never a credential, never a record.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from okr_sync.errors import OkrSyncError

LOG_VARIABLE = "OKR_SYNC_LOG"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_RENDERERS: Mapping[str, Any] = {
    "json": structlog.processors.JSONRenderer(sort_keys=False),
    "text": structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0),
}

Told = dict[str, str | int | float | bool]
"""What is told of a piece of work beside its ids."""


@contextmanager
def observed(work: str, **ids: str) -> Iterator[Told]:
    """A span and, at its end, a line `<work>_ended` with the ids, the seconds and what was added.

    An `error` that was added makes the line an error and the span a failed one; so does an
    exception, which goes on (`<work>_broke`).
    """
    log = _log().bind(**ids)
    began = time.monotonic()
    told: Told = {}
    is_over = False
    with _tracer().start_as_current_span(work, attributes=ids) as span:
        try:
            yield told
            is_over = True
        finally:
            seconds = round(time.monotonic() - began, 3)
            if not is_over:
                kind = sys.exc_info()[0]
                # The class alone: a driver's text may hold what was sent to it.
                name = kind.__name__ if kind else "unknown"
                log.error(f"{work}_broke", kind=name, seconds=seconds)
        span.set_attributes(told)
        if told.get("error"):
            span.set_status(StatusCode.ERROR, str(told["error"]))
        tell = log.error if told.get("error") else log.info
        tell(f"{work}_ended", **{"seconds": seconds, **told})


def note(event: str, **fields: str | float | bool) -> None:
    """A line about one thing, such as a key result whose number has changed."""
    log = _log()
    (log.error if fields.get("error") else log.info)(event, **fields)


def _log() -> Any:
    """A logger as OKR_SYNC_LOG asks for; one that drops everything when it is not set."""
    how = os.environ.get(LOG_VARIABLE, "")
    if how and how not in _RENDERERS:
        raise OkrSyncError(f"{LOG_VARIABLE} is {how!r}. Set it to json or text, or unset it.")
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True, key="at"),
            _RENDERERS[how],
        ]
        if how
        else [_drop],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )


def _drop(logger: Any, name: str, event: Any) -> Any:
    raise structlog.DropEvent


@cache
def _tracer() -> trace.Tracer:
    """The tracer of the provider that is there, or of one for the endpoint that the environment names."""
    is_set_up = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    if not is_set_up and any(os.environ.get(name) for name in _ENDPOINTS):
        _set_up()
    return trace.get_tracer("okr_sync")


def _set_up() -> None:
    # Imported here: only who has an endpoint needs the packages.
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise OkrSyncError(
            "An endpoint for traces is set, but the packages that send them are missing. Install "
            'them with `pip install "okr-sync[tracing]"`, or unset OTEL_EXPORTER_OTLP_ENDPOINT.',
            str(error),
        ) from error
    # The provider sends what is left when the process ends.
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
