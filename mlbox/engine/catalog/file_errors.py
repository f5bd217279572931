"""DuckDB's errors about rows of files, which are a page long, as one sentence and its hint."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_CSV = re.compile(r"CSV Error on Line: (\d+)\n(?:Original Line: ([^\n]*)\n)?(.*?)(?:\n\n|\n(?=Possible )|\Z)", re.S)
_COLUMN = re.compile(r'Error when converting column "(.*?)"\. (.*)', re.S)
_FILE = re.compile(r"^\s*file = (.*)$", re.M)
_JSON = re.compile(
    r'(?:Malformed JSON|JSON transform error) in file "(.*?)",(?: at byte (\d+))? in line (\d+): (.*?)(?:\nTry |\Z)',
    re.S,
)
_DIFFERENT = re.compile(r"Schema mismatch between globbed files\.\nMain file schema: (.*)\nCurrent file: (.*)\n")


_SNIFFING = re.compile(r'^[Ee]rror when sniffing file "(.*?)"\.', re.M)


@dataclass(frozen=True, slots=True)
class FileError:
    """What is wrong in which line; ``details``: file, line (from 1), and the column or the line's text if known."""

    message: str
    hint: str
    details: dict[str, Any] = field(default_factory=dict)


def file_error(message: str) -> FileError | None:
    """The error of a row of a file; None for any other."""
    found = _CSV.search(message)
    if found:
        return _csv(message, found)
    found = _JSON.search(message)
    if found:
        file, byte, line, what = found.groups()
        if byte:  # DuckDB 2.0 has read the line's end already when it counts for these
            line = str(int(line) - 1)
        place = f"line {line} of {file}" + (f", byte {byte}" if byte else "")
        details = {"file": file, "line": int(line)}
        return FileError(f"{place}: {_lower(what)}", "mend the line, or skip such: ignore_errors = true", details)
    found = _SNIFFING.search(message)
    if found:
        hint = "name what separates columns and quotes texts: delim = ';', quote = '\"'; or: strict_mode = false"
        return FileError(f"the columns of {found[1]} cannot be told from its lines", hint, {"file": found[1]})
    found = _DIFFERENT.search(message)
    if found:
        text = f"the columns of {found[2]} are not those of {found[1]}"
        return FileError(text, "union_by_name = true fills missing columns with NULL", {"file": found[2]})
    return None


def _csv(message: str, found: re.Match[str]) -> FileError:
    line, text, what = found.groups()
    named = _FILE.search(message)
    details: dict[str, Any] = {"file": named[1].strip() if named else "", "line": int(line)}
    place = f"line {line} of {details['file']}"
    if text:
        details["text"] = text
    column = _COLUMN.match(what)
    if column:
        details["column"] = column[1]
        hint = f"give the column another type: types = {{'{column[1]}': 'VARCHAR'}}; or say what means NULL: nullstr"
        return FileError(f'{place}, column "{column[1]}": {_lower(column[2])}', hint, details)
    if "unicode" in what.lower():
        return FileError(f"{place} is not UTF-8", "name the encoding: encoding = 'latin-1' or 'utf-16'", details)
    if "Expected Number of Columns" in what:
        counts = re.findall(r"\d+", what.partition("Expected")[2])
        what = f"it has {counts[1]} columns and not {counts[0]}" if len(counts) == 2 else what
        return FileError(f"{place}: {what}", "mend the line, or fill it with NULL: null_padding = true", details)
    return FileError(f"{place}: {_lower(' '.join(what.split()))}", "mend the line, or say how: delim, quote", details)


def _lower(text: str) -> str:
    text = text.strip()
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
