"""Windows of calendars by another implementation: Python's `datetime` and `zoneinfo`, and counting.

    windows.py SEED

prints a case a line, as JSON: {"zone", "anchor", "period", "from", "starts"}: the zone, the anchor as a local time, the period
as Almoner writes it, and the microseconds (UTC) at which windows start, the first being the one that `from` falls into. Every
zone of the database has its cases, near changes of its clocks and elsewhere, between 1970 and 2100.
"""

import json
import random
import sys
from bisect import bisect_right
from calendar import monthrange
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones, reset_tzpath

# The package `tzdata` alone, not what the machine has.
reset_tzpath(to=())

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIRST, LAST = datetime(1970, 1, 3, tzinfo=timezone.utc), datetime(2099, 12, 1, tzinfo=timezone.utc)
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WINDOWS = 12
DECADES = 3
CASES_NEAR_CHANGES, CASES_ELSEWHERE = 14, 6


def micros(at):
    return (at - EPOCH) // timedelta(microseconds=1)


def resolve(local, zone):
    """A local time in a gap goes forward by the gap, in a fold it is the earlier one: what `fold=0` means."""
    return local.replace(tzinfo=zone, fold=0).astimezone(timezone.utc)


def midnight(day, zone):
    return resolve(datetime(day.year, day.month, day.day), zone)


def add_months(local, months):
    at = local.year * 12 + local.month - 1 + months
    year, month = at // 12, at % 12 + 1
    return local.replace(year=year, month=month, day=min(local.day, monthrange(year, month)[1]))


def step(local, unit, units):
    days = {"day": 1, "week": 7}.get(unit)
    if days:
        return local + timedelta(days=days * units)
    return add_months(local, {"month": 1, "quarter": 3, "year": 12}[unit] * units)


def anchored(zone, anchor, count, unit, begin, end):
    """Starts from the anchor on that lie around `begin` to `end`, in order."""
    if unit == "hour":
        first, span = resolve(anchor, zone), timedelta(hours=count)
        at = first + span * max(0, (begin - first) // span - 1)
        while at <= end:
            yield at
            at += span
        return
    # Local times alone say roughly where to begin; some windows too early do no harm.
    roughly = (begin - resolve(anchor, zone)) / timedelta(days={"day": 1, "week": 7, "month": 31, "quarter": 93, "year": 366}[unit] * count)
    index = max(0, int(roughly) - 3)
    while True:
        at = resolve(step(anchor, unit, index * count), zone)
        if at > end:
            return
        yield at
        index += 1


def aligned(zone, count, unit, week_start, begin, end):
    """Starts of the calendar's own windows that lie around `begin` to `end`: days that fit, then those that count."""
    day = begin.astimezone(zone).date() - timedelta(days=3 + {"hour": 0, "day": 1, "week": 7, "month": 31, "quarter": 93, "year": 366}[unit] * count)
    last = end.astimezone(zone).date() + timedelta(days=2)
    while day <= last:
        following = day + timedelta(days=1)
        since_epoch = (day - date(1970, 1, 1)).days
        months = day.year * 12 + day.month - 1
        if unit == "hour":
            at = midnight(day, zone)
            while at < midnight(following, zone):
                yield at
                at += timedelta(hours=count)
        elif unit == "day":
            if since_epoch % count == 0:
                yield midnight(day, zone)
        elif unit == "week":
            # The week around 1 January 1970 is the first.
            first = date(1969, 12, 29) + timedelta(days=WEEKDAYS.index(week_start))
            if (day - first).days % (7 * count) == 0:
                yield midnight(day, zone)
        elif day.day == 1 and months % ({"month": 1, "quarter": 3, "year": 12}[unit] * count) == 0:
            yield midnight(day, zone)
        day = following


def length(count, unit):
    days = {"hour": 1 / 24, "day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[unit]
    return timedelta(days=days * count)


def changes_of(chance, zone):
    """Instants at which a zone's clocks change in some of its decades, to the second."""
    changes, at = [], FIRST + timedelta(days=chance.randint(0, 100 * 365))
    last = min(LAST, at + timedelta(days=DECADES * 3650))
    before = at.astimezone(zone).utcoffset()
    while at < last:
        after = at + timedelta(days=7)
        offset = after.astimezone(zone).utcoffset()
        if offset != before:
            low, high = at, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if middle in (low, high):
                    break
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
            changes.append(high)
        at, before = after, offset
    return changes


def case(chance, name, zone, changes):
    unit = chance.choice(["hour", "day", "day", "week", "month", "month", "quarter", "year"])
    is_aligned = chance.random() < 0.5
    most = {"hour": 24, "day": 10, "week": 3, "month": 7, "quarter": 3, "year": 3}[unit]
    count = chance.choice([1, 1, 1, chance.randint(2, most)])
    week_start = chance.choice(WEEKDAYS)
    if changes:
        near = chance.choice(changes) + timedelta(seconds=chance.choice([0, -1, 1800, chance.randint(-7200, 7200)]))
    else:
        near = FIRST + timedelta(seconds=chance.randint(0, int((LAST - FIRST).total_seconds())))
    # An anchor that shows the time of day of the change, so that starts fall into gaps and folds.
    anchor = near.astimezone(zone).replace(tzinfo=None, fold=0)
    anchor += timedelta(seconds=chance.choice([0, 0, 1800, -1800, 3600, -3600]))
    if chance.random() < 0.4:
        anchor = anchor.replace(day=monthrange(anchor.year, anchor.month)[1])
    back = chance.randint(0, 4)
    if unit != "hour" and not is_aligned and anchor.year - back * count * (1 if unit == "year" else 0) > 1971:
        anchor = step(anchor, unit, -back * count) if unit in ("day", "week") else anchor
    begin = max(near + timedelta(days=chance.randint(-2, 2)), resolve(anchor, zone))
    if is_aligned:
        begin = near
    end = begin + (WINDOWS + 3) * length(count, unit) + timedelta(days=3)
    if end.year > 2100 or begin < FIRST or anchor.year < 1970:
        return None
    of = aligned(zone, count, unit, week_start, begin, end) if is_aligned else anchored(zone, anchor, count, unit, begin, end)
    starts = sorted(set(of))
    first = bisect_right(starts, begin) - 1
    assert first >= 0, (name, unit, count, is_aligned, begin)
    period = unit if count == 1 else f"{count} {unit}s"
    if is_aligned:
        period += " aligned" if week_start == "monday" else f" aligned {week_start}"
    starts = starts[first : first + WINDOWS + 1]
    assert len(starts) == WINDOWS + 1, (name, period, begin, len(starts))
    return {"zone": name, "anchor": anchor.isoformat(), "period": period, "from": micros(begin), "starts": [micros(s) for s in starts]}


def main():
    chance = random.Random(sys.argv[1])
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        changes = changes_of(chance, zone)
        for number in range(CASES_NEAR_CHANGES + CASES_ELSEWHERE):
            found = case(chance, name, zone, changes if number < CASES_NEAR_CHANGES else [])
            if found:
                print(json.dumps(found, separators=(",", ":")))


main()
