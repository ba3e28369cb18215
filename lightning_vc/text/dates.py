"""How dates and times are spoken: functions of the matches of their patterns, as in text/verbalise.py."""

import re

from lightning_vc.text import numbers
from lightning_vc.text.letters import MONTHS, spell
from lightning_vc.text.measures import counted
from lightning_vc.text.numbers import cardinal, year


def time(match: re.Match[str]) -> str:
    """Hours, minutes and seconds, with a.m. or p.m. where it stands."""
    return _clock(match[1], match[2], match[3], match[4] or "")


def half_day(match: re.Match[str]) -> str:
    """An hour with a.m. or p.m.: 5 AM, 10.30pm."""
    return _clock(match[1], match[2] or "00", half=match[3])


def _clock(hour: str, minute: str, second: str | None = None, half: str = "") -> str:
    """Five o'clock, five oh five, eighteen thirty, twenty three hundred, five thirty p m."""
    if minute != "00":
        minutes = f" oh {cardinal(minute)}" if minute[0] == "0" else f" {cardinal(minute)}"
    elif half:
        minutes = ""
    else:
        minutes = " o'clock" if 0 < int(hour) < 13 else " hundred"
    seconds = f" and {cardinal(second)} {counted(second.lstrip('0'), 'second#')}" if second and second != "00" else ""
    return f"{cardinal(hour)}{minutes}{seconds} {spell(half)}".strip()


def iso_date(match: re.Match[str]) -> str | None:
    """2020-12-25, also with a time and a zone behind it."""
    date = _date(match[2], match[3], match[1])
    if date is None or match[4] is None:
        return date
    zone = f" {spell('UTC')}" if match[7] or match[8] else ""
    if match[8]:
        zone += f" {'plus' if match[8] == '+' else 'minus'} {cardinal(match[9])}"
        zone += f" {cardinal(match[10])}" if match[10] and match[10] != "00" else ""
    return f"{date}, {_clock(match[4], match[5], match[6])}{zone}"


def numeric_date(match: re.Match[str]) -> str | None:
    """12/25/2020; the day comes first where there is no such month."""
    return _date(match[1], match[2], match[3])


def _date(month: str, day: str, written_year: str) -> str | None:
    if int(month) > 12:
        month, day = day, month
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    if len(written_year) == 2:
        written_year = ("20" if int(written_year) < 50 else "19") + written_year
    return f"{MONTHS[int(month) - 1]} {numbers.ordinal(day)}, {year(written_year)}"


def year_and_month(match: re.Match[str]) -> str | None:
    """2020-12; but 2009-12 is a range of years."""
    month = int(match[2])
    return f"{MONTHS[month - 1]} {year(match[1])}" if month <= int(match[1]) % 100 else None


def month_and_day(match: re.Match[str]) -> str | None:
    """May 5, May 5-7, May 5, 2020."""
    month, day, last, written_year = match.groups()
    if not 1 <= int(day) <= 31:
        return None
    days = numbers.ordinal(day) + (f" to {numbers.ordinal(last)}" if last else "")
    return f"{month} {days}" + (f", {year(written_year)}" if written_year else "")


def day_and_month(match: re.Match[str]) -> str | None:
    """5 May, 5 May 2020."""
    day, month, written_year = match.groups()
    if not 1 <= int(day) <= 31:
        return None
    return f"the {numbers.ordinal(day)} of {month}" + (f", {year(written_year)}" if written_year else "")


def decade(match: re.Match[str]) -> str | None:
    """1990s, '90s; 0s is none."""
    century, tens = match.groups()
    return numbers.decade(century or "", tens) if century or tens != "0" else None
