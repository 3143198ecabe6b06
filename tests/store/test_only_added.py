"""Rows that are only added: every table of persons, accounts, cases, orders and quotas.

The walk knows no table by name but those that may change: one that is made is walked too, and
fails here until it is guarded or stands there with what it is for."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DatabaseError

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.store.records import writing
from tests import engines

# How things stand now: who a person is, how he signs in, what waits, what counts until when.
CHANGING = frozenset(
    {"person", "person_passkey", "person_identity", "person_totp", "person_recovery"}
    | {"person_letter", "person_session", "identity_session", "person_try"}
    | {"person_code", "short_message_sent"}
    | {"account_choice", "account_demand", "account_key_use"}
    | {"upload", "upload_part", "webhook_delivery", "webhook_sealed", "case_word"}
)


@pytest.fixture(params=engines.BOTH)
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Platform:
    url = ""
    if request.param == "postgres":
        server: engines.Postgres = request.getfixturevalue("postgres")
        url = server.database(engines.fresh("added"))
    return Platform(Config(tmp_path, accounts="on", database_url=url))


def guarded(engine: Engine) -> dict[str, set[str]]:
    """Of each table, what a trigger stands before."""
    if engine.dialect.name == "sqlite":
        asked = "SELECT tbl_name, upper(sql) FROM sqlite_master WHERE type = 'trigger'"
    else:
        asked = (
            "SELECT c.relname, upper(pg_get_triggerdef(t.oid)) FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal"
        )
    found: dict[str, set[str]] = {}
    with engine.connect() as connection:
        for table, trigger in connection.execute(text(asked)):
            before = trigger.partition(" BEFORE ")[2].partition(" ON ")[0]
            found.setdefault(table, set()).update(before.split(" OR "))
    return found


def drawers(platform: Platform) -> tuple[Engine, Engine]:
    return platform.parts.accounts, platform.parts.commissions._engine


def test_every_table_is_guarded_or_says_why_not(platform: Platform, tmp_path: Path) -> None:
    """By the names of their files on one machine; a server has those of the index beside."""
    alone = Platform(Config(tmp_path / "alone", accounts="on"))
    walked = set[str]()
    for engine, named in zip(drawers(platform), drawers(alone), strict=True):
        on_server = engine.dialect.name != "sqlite"
        wanted = {"UPDATE", "DELETE"} | ({"TRUNCATE"} if on_server else set())
        guards, there = guarded(engine), inspect(engine).get_table_names()
        for table in set(inspect(named).get_table_names()) - CHANGING:
            assert table in there, table
            assert guards.get(table, set()) >= wanted, table
            walked.add(table)
    assert {"account_event", "person_event", "quota_line", "case_entry"} <= walked
    assert {"commission_event", "name_event", "share_access", "custody_event"} <= walked
    assert len(walked) > 30


def test_the_guards_refuse(platform: Platform) -> None:
    """Whoever is let at the table itself: an empty one tells nothing, so a row lies there."""
    engine = platform.parts.commissions._engine
    statements = ["UPDATE quota_line SET units = 0", "DELETE FROM quota_line"]
    if engine.dialect.name != "sqlite":
        statements.append("TRUNCATE quota_line")
    platform.parts.commissions.units.hold("ex_1", "ac_1", None, platform.now())
    for statement in statements:
        with pytest.raises(DatabaseError, match="only added"), writing(engine) as connection:
            connection.execute(text(statement))
