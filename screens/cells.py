"""Values of data as texts on one line: every digit, or those that tell."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from screens import figures


def csv_value(value: Any) -> str:
    """A value as CSV has it; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(json_value(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def short(value: Any) -> str:
    """A value to look at: the digits that tell, whole numbers without commas, since they may be years or ids."""
    return figures.number(value).replace(",", "") if isinstance(value, float) else csv_value(value)


def json_value(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601, bytes in hexadecimal, decimals as numbers."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    return value
