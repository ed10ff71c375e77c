"""Connections: settings, and the token in a password's place. What TLS believes is in tests/protocol/test_tls.py."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, urlsplit

import boto3
import botocore.auth
import botocore.exceptions
import pytest
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from local.settings import ROOT
from wellspring.database import engine as module
from wellspring.database import scope
from wellspring.database.deadline import during
from wellspring.database.scope import at_reader
from wellspring.database.token import sign, token
from wellspring.settings import Settings, SettingsError, read_settings

ON_AWS = Settings(db_host="proxy.example.internal", db_user="wellspring_reader", aws_region="eu-west-3")


class Opened:
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
    for asked in options:
        signed = urlsplit(f"https://{asked['password']}")
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
    def __init__(self, where: str) -> None:
        self.connect = lambda: where


@pytest.mark.parametrize("said", ["true", "false"])
def test_statements_leave_together_unless_the_deployment_says_otherwise(
    options: list[dict[str, Any]], said: Literal["true", "false"]
) -> None:
    module.connect(replace(ON_AWS, db_pipelining=said))
    (given,) = options
    assert given["pipelining"] is (said == "true")


LEAST = {"DB_HOST": "db.internal", "DB_USER": "wellspring_reader"}


def test_host_and_user_are_enough_and_the_defaults_are_the_safe_ones() -> None:
    found = read_settings(LEAST)
    assert found == Settings(db_host="db.internal", db_user="wellspring_reader")
    assert (found.db_auth, found.db_tls, found.db_pipelining) == ("iam", "verify", "true")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DB_HOST": ""}, "DB_HOST is not set"),
        ({"DB_PORT": "five"}, "DB_PORT must be a whole number"),
        ({"DB_PORT": "-1"}, "DB_PORT must be a whole number"),
        ({"DB_AUTH": "trust"}, "DB_AUTH must be one of iam, secret, password"),
        ({"DB_AUTH": "secret"}, "DB_SECRET_ARN is not set"),
        ({"DB_TLS": "maybe"}, "DB_TLS must be one of verify, off"),
        ({"DB_PIPELINING": "no"}, "DB_PIPELINING must be one of true, false"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(LEAST | change)
    assert str(caught.value) == message


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(SettingsError, match="DB_HOST is not set; DB_USER is not set; DB_PORT"):
        read_settings({"DB_PORT": "x"})


PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)
HOST, USER, REGION = "proxy.example.internal", "wellspring_reader", "eu-west-3"
SESSION = Session()
OWN = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/+=", "AWS_SESSION_TOKEN": "FwoG/+=="}


def parts(signed: str) -> tuple[str, str, list[tuple[str, str]]]:
    """What a token says, whatever the order in which its query says it."""
    url = urlsplit(f"https://{signed}")
    return url.netloc, url.path, sorted(parse_qsl(url.query, strict_parsing=True))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    key=PRINTABLE,
    secret=PRINTABLE,
    session=st.just("") | PRINTABLE,
    user=PRINTABLE,
    port=st.integers(1150, 65535),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001  (hypothesis wants its bounds so)
)
def test_it_says_what_the_token_that_botocore_signs_says(
    key: str, secret: str, session: str, user: str, port: int, at: datetime
) -> None:
    client = SESSION.create_client(
        "rds",
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=session or None,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(botocore.auth, "get_current_datetime", lambda: at)
        theirs = client.generate_db_auth_token(DBHostname=HOST, Port=port, DBUsername=user)
    assert parts(sign(key, secret, session, HOST, port, user, REGION, at.replace(tzinfo=UTC))) == parts(theirs)


def test_a_functions_own_credentials_sign_without_boto3() -> None:
    check = (
        "import os, sys; from wellspring.database.token import token;"
        f"token(os.environ, {HOST!r}, 5432, {USER!r}, {REGION!r});"
        "sys.exit(sum(name.partition('.')[0] in ('boto3', 'botocore') for name in sys.modules))"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "layers" / "shared")} | OWN
    assert subprocess.run([sys.executable, "-c", check], env=environment, check=False).returncode == 0


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_credentials_that_lie_elsewhere_are_found_by_boto3(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Here in what boto3 reads itself, in a function restored from a snapshot at the address that its environment names.
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)
    # It keeps the credentials that it found for somebody else.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    signed = token({name: OWN[name] for name in OWN if name != missing}, HOST, 5432, USER, REGION)
    claims = dict(parts(signed)[2])
    assert claims["X-Amz-Credential"].startswith("AKIAEXAMPLE/")
    assert claims["X-Amz-Security-Token"] == "FwoG/+=="


def test_without_a_region_there_is_nothing_to_sign_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(botocore.exceptions.NoRegionError):
        token(OWN, HOST, 5432, USER, "")
