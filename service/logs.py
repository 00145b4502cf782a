"""How the log is written: text as BentoML has it, or one JSON object a line; both name the request they are about."""

from __future__ import annotations

import logging
from typing import Final, Literal

from opentelemetry import trace
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from service.door.request_ids import current_request_id

# What BentoML adds to each record for its own text; ours come under other names.
_BENTOML: Final = ("component", "levelname_bracketed", "request_id", "service_name", "trace_msg")
_LOGGERS: Final = ("", "bentoml", "uvicorn.error", "circus")


def set_up_logs(log_format: Literal["text", "json"]) -> None:
    """Let all handlers of this process write in a format, and name the request."""
    handlers = {handler for name in _LOGGERS for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        handler.addFilter(_name_request)
        if log_format == "json":
            handler.setFormatter(_json_lines())


def _name_request(record: logging.LogRecord) -> bool:
    request = current_request_id.get()
    span = trace.get_current_span().get_span_context()
    if request:
        record.request = request
        # The end of BentoML's text.
        record.trace_msg = f" (request={request})"
    if span.is_valid:
        record.trace, record.span = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    return True


def _json_lines() -> logging.Formatter:
    return JsonFormatter(
        ("levelname", "name", "message"),
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        timestamp="time",
        reserved_attrs=[*RESERVED_ATTRS, *_BENTOML],
    )
