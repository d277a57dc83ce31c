"""EventBridge schedules: of rules and of EventBridge Scheduler, fired by hand or by the clock."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.scheduler.models import Schedule, scheduler_backends

from rehearsal.cloud.delivery import Delivery, Undeliverable
from rehearsal.cloud.events import Events
from rehearsal.cloud.work import Work

UNITS = {"minute": 60, "hour": 3600, "day": 86_400}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class UnknownSchedule(KeyError):
    """No schedule has this name."""

    def __str__(self) -> str:
        return str(self.args[0])


class Schedules:
    """Fires the schedules of one account and region.

    By hand: `fire(name)`. By the clock (`start`): rate(…) and cron(…), on a clock that runs `speed` times faster.
    """

    def __init__(self, account: str, region: str, speed: float, events: Events, delivery: Delivery, work: Work):
        self._backend = scheduler_backends[account][region]
        self._speed, self._events, self._delivery, self._work = speed, events, delivery, work
        self._began = time.time()
        self._due: dict[str, datetime] = {}

    def fire(self, name: str) -> None:
        """Fire one schedule now, enabled or not. Raises UnknownSchedule, naming the ones there are."""
        for schedule in self._schedules():
            if schedule.name == name:
                return self._fire_schedule(schedule)
        for rule in self._events.rules:
            if rule.name == name and rule.scheduled_expression:
                return self._events.fire(rule)
        by_rule = {rule.name for rule in self._events.rules if rule.scheduled_expression}
        known = sorted(by_rule | {schedule.name for schedule in self._schedules()})
        raise UnknownSchedule(f"no schedule named {name!r}; there are: {', '.join(known) or 'none'}")

    def start(self) -> None:
        """Let schedules fire by the clock from now on."""
        self._began = time.time()
        self._work.thread("schedules", self._tick, busy=False)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._began + (time.time() - self._began) * self._speed, UTC)

    def _schedules(self) -> list[Schedule]:
        return [s for group in list(self._backend.schedule_groups.values()) for s in list(group.schedules.values())]

    def _tick(self) -> None:
        while not self._work.stopping.wait(0.2):
            now = self._now()
            for schedule in self._schedules():
                if schedule.state == "ENABLED" and self._is_due(schedule.arn, schedule.schedule_expression, now):
                    self._fire_schedule(schedule)
            for rule in self._events.rules:
                expression = rule.scheduled_expression
                if expression and rule.state != "DISABLED" and self._is_due(rule.arn, expression, now):
                    self._events.fire(rule)

    def _is_due(self, arn: str, expression: str, now: datetime) -> bool:
        due = self._due.setdefault(arn, next_time(expression, now))
        if due > now:
            return False
        self._due[arn] = next_time(expression, now)
        return True

    def _fire_schedule(self, schedule: Schedule) -> None:
        target: dict[str, Any] = {
            name: value
            for name, value in schedule.target.items()
            if name in ("Arn", "RoleArn", "Input", "DeadLetterConfig", "RetryPolicy", "SqsParameters")
        }
        if ":aws-sdk:" in target["Arn"]:
            raise Undeliverable(f"schedule {schedule.name}: universal targets are not modelled ({target['Arn']})")
        event = self._events.service_event("aws.scheduler", "Scheduled Event", {}, [schedule.arn])
        self._delivery.deliver(schedule.arn, target, target.get("Input") or json.dumps(event), event)


def next_time(expression: str, after: datetime) -> datetime:
    """When a rate(…) or cron(…) expression fires next after a moment (UTC). Raises ValueError for any other."""
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if rate:
        return after + timedelta(seconds=int(rate[1]) * UNITS[rate[2]])
    cron = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", expression)
    if not cron:
        raise ValueError(f"schedule {expression!r}: rate(n minutes|hours|days) and cron(six fields) are modelled")
    return _Cron.parse(cron.groups()).next(after)


@dataclass(frozen=True)
class _Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 1 is Sunday
    years: frozenset[int]

    @classmethod
    def parse(cls, fields: tuple[str, ...]) -> _Cron:
        minute, hour, day, month, weekday, year = fields
        return cls(
            _values(minute, 0, 59),
            _values(hour, 0, 23),
            _values(day, 1, 31),
            _values(_numbers(month, MONTHS), 1, 12),
            _values(_numbers(weekday, DAYS), 1, 7),
            _values(year, 1970, 2199),
        )

    def next(self, after: datetime) -> datetime:
        moment = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for _ in range(366 * 200):
            if self._is_day(moment):
                for found in self._times(moment):
                    return found
            moment = (moment + timedelta(days=1)).replace(hour=0, minute=0)
        raise ValueError("the cron expression never fires")

    def _is_day(self, moment: datetime) -> bool:
        weekday = moment.isoweekday() % 7 + 1
        fits = moment.day in self.days and weekday in self.weekdays
        return fits and moment.month in self.months and moment.year in self.years

    def _times(self, moment: datetime) -> Iterator[datetime]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                found = moment.replace(hour=hour, minute=minute)
                if found >= moment:
                    yield found


def _numbers(text: str, names: tuple[str, ...]) -> str:
    for number, name in enumerate(names, 1):
        text = text.upper().replace(name, str(number))
    return text


def _values(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|\?|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if not match:
            raise ValueError(f"cron field {text!r}: L, W and # are not modelled")
        start = int(match[2]) if match[2] else low
        end = int(match[3]) if match[3] else (high if match[1] in "*?" or match[4] else start)
        found.update(range(start, end + 1, int(match[4] or 1)))
    return frozenset(found)
