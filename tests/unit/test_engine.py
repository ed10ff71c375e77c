"""How a connection is made: a fresh token for each on AWS, and verified TLS unless it is switched off."""

import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from wellspring.database import engine as module
from wellspring.settings import Settings

ON_AWS = Settings(db_host="proxy.example.internal", db_user="wellspring_reader", aws_region="eu-west-3")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What connections were opened with, instead of opening them."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "ServerConnection", lambda **given: seen.append(given))
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


def test_the_certificate_and_the_host_name_are_verified(options: list[dict[str, Any]]) -> None:
    module.connect(ON_AWS)
    context = options[0]["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_tls_off_is_off_and_not_left_to_the_server(options: list[dict[str, Any]]) -> None:
    module.connect(Settings(db_host="127.0.0.1", db_user="x", db_auth="password", db_password="y", db_tls="off"))
    assert options[0]["ssl_context"] is False
    assert options[0]["password"] == "y"


def test_a_pool_is_one_connection_that_is_replaced_before_the_proxy_closes_it() -> None:
    pool = module.make_engine(ON_AWS).pool
    assert pool.size() == 1  # type: ignore[attr-defined]  # a QueuePool has it
    assert pool._recycle == 20 * 60
