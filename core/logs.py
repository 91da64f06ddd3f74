"""One JSON object a line, for machines that collect logs."""

import json
import logging
from datetime import UTC, datetime

#: What a log may carry besides its message: ids and counts, never addresses, names, tokens or answers.
EXTRAS = ("request_id", "status_code", "operation", "requester", "batch", "hit", "assignment", "task", "seconds")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        line |= {name: str(getattr(record, name)) for name in EXTRAS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
