"""Connections: a fresh token for each on AWS. What TLS believes is in tests/protocol/test_tls.py."""

from dataclasses import replace
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import pytest

from wellspring.database import engine as module
from wellspring.database import scope
from wellspring.database.deadline import during
from wellspring.database.scope import at_reader
from wellspring.settings import Settings

ON_AWS = Settings(db_host="proxy.example.internal", db_user="wellspring_reader", aws_region="eu-west-3")


class Opened:
    """A connection that leads nowhere."""

    def register_in_adapter(self, *_: object) -> None:
        pass


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What connections were opened with, instead of opening them."""
    seen: list[dict[str, Any]] = []

    def dial(host: str, port: int, tls: object, certified: str) -> object:
        seen.append({"host": host, "port": port, "tls": tls, "certified": certified})
        return seen[-1]

    def opened(**given: Any) -> Opened:
        seen[-1] |= given
        return Opened()

    monkeypatch.setattr(module, "dial", dial)
    monkeypatch.setattr(module, "PipelinedConnection", opened)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    return seen


def test_a_token_is_minted_for_each_connection_and_names_the_user(options: list[dict[str, Any]]) -> None:
    module.connect(ON_AWS)
    module.connect(ON_AWS)
    assert len(options) == 2
    for given in options:
        signed = urlsplit(f"https://{given['password']}")
        claims = parse_qs(signed.query)
        assert signed.netloc == "proxy.example.internal:5432"
        assert claims["Action"] == ["connect"]
        assert claims["DBUser"] == ["wellspring_reader"]
        assert claims["X-Amz-Expires"] == ["900"]
        assert "/eu-west-3/rds-db/" in claims["X-Amz-Credential"][0]


def test_a_connection_on_aws_speaks_tls_to_the_host_it_is_told(options: list[dict[str, Any]]) -> None:
    module.connect(ON_AWS)
    (given,) = options
    assert (given["host"], given["port"]) == ("proxy.example.internal", 5432)
    assert given["tls"] is module.tls(ON_AWS) is not None


def test_tls_off_is_off_and_not_left_to_the_driver(options: list[dict[str, Any]]) -> None:
    module.connect(Settings(db_host="127.0.0.1", db_user="x", db_auth="password", db_password="y", db_tls="off"))
    (given,) = options
    assert (given["tls"], given["ssl_context"], given["password"]) == (None, False, "y")


def test_a_pool_is_one_connection_that_is_replaced_before_the_proxy_closes_it() -> None:
    pool = module.make_engine(ON_AWS).pool
    assert pool.size() == 1  # type: ignore[attr-defined]  # a QueuePool has it
    assert pool._recycle == 20 * 60


def test_the_reader_is_another_host_with_the_certificate_of_the_first(
    options: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's own name is on its certificate, and that of an endpoint of it is not."""
    read = replace(ON_AWS, db_read_host="read.endpoint.proxy.example.internal")
    monkeypatch.setattr(module, "settings", lambda: read)
    module.reader_engine.cache_clear()
    with pytest.raises(AttributeError):
        # What was opened is no connection.
        module.reader_engine().connect()
    module.reader_engine.cache_clear()
    module.connect(read)
    assert [each["host"] for each in options] == ["read.endpoint.proxy.example.internal", "proxy.example.internal"]
    assert [each["certified"] for each in options] == ["proxy.example.internal", ""]
    # A token is for the host that it is sent to.
    assert options[0]["password"].startswith("read.endpoint.proxy.example.internal:5432/")


def test_a_transaction_at_the_reader_is_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "reader_engine", lambda: Leading("reader"))
    monkeypatch.setattr(scope, "engine", lambda: Leading("writer"))
    with during(at_reader, value=True):
        assert str(scope.connection()) == "reader"
    assert str(scope.connection()) == "writer"


class Leading:
    """An engine that says where it leads."""

    def __init__(self, where: str) -> None:
        self.connect = lambda: where


@pytest.mark.parametrize("said", ["true", "false"])
def test_statements_leave_together_unless_the_deployment_says_otherwise(
    options: list[dict[str, Any]], said: Literal["true", "false"]
) -> None:
    module.connect(replace(ON_AWS, db_pipelining=said))
    (given,) = options
    assert given["pipelining"] is (said == "true")
