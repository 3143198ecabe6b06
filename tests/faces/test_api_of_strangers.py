"""Requests that nobody sane would send, made from the API's own description (schemathesis).

Whatever comes in, the answer is one that the description knows or a problem+json, never a
fault of ours, and never a page for a person."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import FailedHealthCheck, Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app

PROBLEM = "application/problem+json"
schemathesis.serializer.alias("application/timestamp-query", "application/octet-stream")


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> BaseSchema:
    platform = Platform(Config(tmp_path_factory.mktemp("strangers") / "data"))
    return schemathesis.openapi.from_asgi("/api/openapi.json", create_app(platform))


def test_no_request_breaks_it(described: BaseSchema) -> None:
    tried = 0
    for found in described.get_all_operations():
        assert isinstance(found, Ok)
        tried += 1
        for mode in GenerationMode:
            _try(found.ok().as_strategy(mode))
    assert tried >= 8


def _try(cases: SearchStrategy[schemathesis.Case[Any]]) -> None:
    # Where nothing can be wrong (a request without parts, a path that takes any text), fifty
    # vain tries say so as well as five hundred: the one check of hypothesis that stays on.
    others = [one for one in HealthCheck if one is not HealthCheck.filter_too_much]

    @settings(max_examples=8, deadline=None, suppress_health_check=others)
    @given(cases)
    def answered(case: schemathesis.Case[Any]) -> None:
        answer = case.call()
        assert answer.status_code != 500, (case.method, case.path, case.body, answer.content)
        kind = answer.headers.get("content-type", [""])[0].partition(";")[0]
        assert kind or answer.status_code == 204, (case.method, case.path, answer.status_code)
        if answer.status_code >= 400:
            assert kind == PROBLEM, (case.method, case.path, answer.status_code, kind)
            problem = json.loads(answer.content)
            assert problem["status"] == answer.status_code
            assert problem["code"]

    with contextlib.suppress(Unsatisfiable, FailedHealthCheck):
        answered()


def test_the_description_names_what_there_is(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data"))
    paths = schemathesis.openapi.from_asgi(
        "/api/openapi.json", create_app(platform)
    ).raw_schema["paths"]
    assert {"/api/time", "/api/exhibits", "/api/verify", "/api/ledger/lookup"} <= set(paths)
    assert {"/api/ledger/entries", "/tsa"} <= set(paths)
