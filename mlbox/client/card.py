"""A run as a card, for notebooks: HTML without scripts and without anything from elsewhere.

Notebooks have light and dark pages, and no way to ask which: text takes the colour of the page, and the colours of
states are readable on both.
"""

from __future__ import annotations

from html import escape
from typing import Any, Dict, List, Mapping, Tuple

SHOWN = 12
"""Parameters and metrics; the page of the run has all."""
_STATES: Dict[str, Tuple[str, str]] = {
    "completed": ("✓", "#2e9e5b"),
    "error": ("✕", "#e0524d"),
    "cancelled": ("⊘", "#b7791f"),
    "interrupted": ("⚡", "#b7791f"),
}
"""Sign and colour; the others are under way."""
_GOING = ("…", "#4a86e8")
_BOX = (
    "border:1px solid rgba(128,128,128,.45);border-radius:8px;padding:10px 14px;display:inline-block;"
    "max-width:100%;box-sizing:border-box;font-family:system-ui,sans-serif;font-size:13px;line-height:1.5"
)
_FAINT = "opacity:.72"
_TOLD = "margin-top:6px;white-space:pre-wrap;overflow-wrap:anywhere"
_CELL = "padding:1px 16px 1px 0;border:0;background:none;vertical-align:top;text-align:left;overflow-wrap:anywhere"


def html(row: Mapping[str, Any], params: Mapping[str, Any], metrics: Mapping[str, Any], url: str) -> str:
    """The card of a row of ``ml.runs``."""
    sign, colour = _STATES.get(str(row["state"]), _GOING)
    title = escape(str(row["name"] or row["function"] or row["id"][:12]))
    facts = [f"{row['project']}", _function(row), _lasted(row["duration_ms"]), str(row["runtime"] or "")]
    parts = [
        f"<div style='overflow-wrap:anywhere'><b><a href='{escape(url, quote=True)}' target='_blank' rel='noreferrer'>"
        f"{title}</a></b> <span style='color:{colour};font-weight:600;margin-left:6px'>{sign} "
        f"{escape(str(row['state']))}</span></div>",
        f"<div style='{_FAINT}'>{escape(' · '.join(fact for fact in facts if fact))}</div>",
    ]
    told = row["error"] or row["reason"]
    if told:
        parts.append(f"<div style='{_TOLD}'>{escape(str(told))}</div>")
    columns = [_table(name, values) for name, values in (("Metrics", metrics), ("Parameters", params)) if values]
    if columns:
        parts.append(f"<div style='display:flex;flex-wrap:wrap;gap:6px 28px;margin-top:8px'>{''.join(columns)}</div>")
    return f"<div style='{_BOX}'>{''.join(parts)}</div>"


def _table(title: str, values: Mapping[str, Any]) -> str:
    rows: List[str] = []
    for name, value in list(values.items())[:SHOWN]:
        rows.append(
            f"<tr style='background:none'><td style='{_CELL};{_FAINT}'>{escape(str(name))}</td>"
            f"<td style='{_CELL};font-variant-numeric:tabular-nums'>{escape(short(value))}</td></tr>"
        )
    more = len(values) - SHOWN
    rest = f"<div style='{_FAINT}'>and {more} more</div>" if more > 0 else ""
    table = f"<table style='margin:0;border:0;font-size:13px'>{''.join(rows)}</table>"
    return f"<div><div style='{_FAINT}'>{title}</div>{table}{rest}</div>"


def short(value: Any) -> str:
    """A parameter or metric in a few letters."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "–" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _function(row: Mapping[str, Any]) -> str:
    if not row["function"]:
        return ""
    return f"{row['function']}@{row['function_version']}" if row["function_version"] else str(row["function"])


def _lasted(milliseconds: Any) -> str:
    if milliseconds is None:
        return ""
    seconds = float(milliseconds) / 1000
    if seconds < 1:
        return f"{milliseconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min {int(seconds % 60)} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
