"""The timeline of Hudi tables under writers that race, die anywhere, or lose the answers to their puts."""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from lakejobs.tables import conditional, hudi_timeline
from lakejobs.tables.hudi_timeline import COMMIT, NOTHING, REPLACE, Decision, HudiTimeline, instant_of, moment_of
from lakejobs.tables.interface import Moved

LOCATION = "s3://lake/sales/orders"


class Dead(Exception):
    """The process is gone."""


class Shelf:
    """As much of S3 as a timeline needs. Each call is one step, which `turn` may hold up or end in death."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes, absent: bool) -> None:
        with self._lock:
            if absent and key in self.bodies:
                raise refusal(412, "PreconditionFailed")
            self.bodies[key] = body

    def timeline(self, turn: Callable[[], None] = lambda: None) -> HudiTimeline:
        return HudiTimeline(Client(self, turn), LOCATION)


class Client:
    """One writer's way to the shelf."""

    def __init__(self, shelf: Shelf, turn: Callable[[], None]) -> None:
        self._shelf, self._turn = shelf, turn

    def put_object(self, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str | None = None) -> None:
        self._turn()
        self._shelf.put(Key, Body, IfNoneMatch == "*")
        self._turn()

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self._turn()
        return {"Body": io.BytesIO(self._shelf.bodies[Key])}

    def get_paginator(self, _: str) -> Client:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        self._turn()
        now = datetime.now(UTC)
        yield {
            "Contents": [{"Key": k, "LastModified": now} for k in sorted(self._shelf.bodies) if k.startswith(Prefix)]
        }


def refusal(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


class Race:
    """Writers that take turns by chance, each of which may die at any of its steps."""

    def __init__(self, seed: int, writers: int) -> None:
        self.shelf, self._chance = Shelf(), random.Random(seed)
        self._gate = threading.Condition()
        self._waiting: set[int] = set()
        self._running = set(range(writers))
        self._turn: int | None = None
        self.won: list[str] = []
        self.lost: list[str] = []
        self.dead = 0
        self._mortal = self._chance.random() * 0.1

    def run(self) -> None:
        threads = [threading.Thread(target=self._write, args=(n,)) for n in sorted(self._running)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)

    def _step(self, me: int) -> None:
        """Waits until it is this writer's turn: whose it is is drawn once all have come to their next step."""
        with self._gate:
            self._waiting.add(me)
            self._draw()
            assert self._gate.wait_for(lambda: self._turn == me, 60)
            self._turn = None
            self._waiting.discard(me)
            if self._chance.random() < self._mortal:
                raise Dead

    def _draw(self) -> None:
        if self._turn is None and self._waiting and self._waiting == self._running:
            self._turn = self._chance.choice(sorted(self._waiting))
            self._gate.notify_all()

    def _write(self, me: int) -> None:
        timeline = self.shelf.timeline(lambda: self._step(me))
        try:
            for n in range(4):
                head = timeline.settled().head
                action = (COMMIT, REPLACE)[(me + n) % 2]
                instant = timeline.reserve(head, action)
                try:
                    timeline.decide(head, Decision(instant, action, {"extraMetadata": {"writer": f"{me} {n}"}}))
                    self.won.append(instant)
                except Moved:
                    self.lost.append(instant)
        except Dead:
            self.dead += 1
        finally:
            with self._gate:
                self._running.discard(me)
                self._draw()


@pytest.mark.parametrize("seed", range(150))
def test_of_writers_that_race_one_wins(seed: int) -> None:
    check(seed)


def test_the_race_is_one() -> None:
    """Writers do lose and die in it, and puts without their condition are found out."""
    races = [check(seed) for seed in range(30)]
    assert sum(len(race.lost) for race in races) > 30 and sum(race.dead for race in races) > 10

    def put_anyway(s3: Any, bucket: str, key: str, body: bytes) -> bool:
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hudi_timeline, "put_absent", put_anyway)
        with pytest.raises(AssertionError):
            for seed in range(30):
                check(seed)


def check(seed: int) -> Race:
    """What is completed is one chain of decisions; who was told to have won is in it, who was told to have lost not."""
    race = Race(seed, 2 + seed % 3)
    race.run()
    timeline = race.shelf.timeline()
    found = timeline.settled()
    chain, at = [], NOTHING
    while at in found.decided:
        made = timeline.decision(at)
        assert made.instant > at
        chain.append(made.instant)
        at = made.instant
    assert chain == list(found.completed)
    assert set(race.won) <= set(chain) and not set(race.lost) & set(chain)
    assert len(chain) <= len(race.won) + race.dead
    for instant, metadata in timeline.history(found.completed):
        assert metadata["extraMetadata"]["writer"], instant
    return race


class Flaky(Client):
    """Puts arrive, but their first answers get lost or ask for another try."""

    def __init__(self, shelf: Shelf, answers: list[Exception]) -> None:
        super().__init__(shelf, lambda: None)
        self._answers = answers

    def put_object(self, **asked: Any) -> None:
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, ClientError):
            raise answer
        super().put_object(**asked)
        if answer is not None:  # the client sends it again of its own accord, and is then refused
            super().put_object(**asked)


def test_a_decision_whose_answer_is_lost_or_in_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditional, "_CONFLICT_SECONDS", 0)
    shelf = Shelf()
    plain = shelf.timeline()
    first, second = plain.reserve(NOTHING, COMMIT), plain.reserve(NOTHING, COMMIT)
    assert first < second
    conflict, lost = refusal(409, "ConditionalRequestConflict"), ConnectionClosedError(endpoint_url="x")
    HudiTimeline(Flaky(shelf, [conflict, lost]), LOCATION).decide(NOTHING, Decision(second, COMMIT, {"a": 1}))
    with pytest.raises(Moved, match="another writer has decided"):
        plain.decide(NOTHING, Decision(first, COMMIT, {"a": 1}))
    assert plain.listed().completed == {second: COMMIT}
    assert plain.metadata(second, COMMIT) == {"a": 1}
    with pytest.raises(ClientError, match="ConditionalRequestConflict"):
        HudiTimeline(Flaky(shelf, [conflict] * 9), LOCATION).decide(second, Decision(first, COMMIT, {}))


def test_instants_are_later_than_the_last_whatever_the_clock_says() -> None:
    timeline = Shelf().timeline()
    late = "20991231235959998"
    assert instant_of(moment_of(late)) == late
    found = [timeline.reserve(late, action) for action in (COMMIT, REPLACE, COMMIT, REPLACE)]
    assert found == ["21000101000000000", "20991231235959999", "21000101000000002", "21000101000000001"]
