"""The token that stands for a password: what botocore's says, signature included, and without botocore."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.auth
import botocore.exceptions
import pytest
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from local.settings import ROOT
from wellspring.database.token import sign, token

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)
HOST, USER, REGION = "proxy.example.internal", "wellspring_reader", "eu-west-3"
SESSION = Session()
OWN = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/+=", "AWS_SESSION_TOKEN": "FwoG/+=="}


def parts(signed: str) -> tuple[str, str, list[tuple[str, str]]]:
    """What a token says, whatever the order in which its query says it."""
    url = urlsplit(f"https://{signed}")
    return url.netloc, url.path, sorted(parse_qsl(url.query, strict_parsing=True))


@settings(deadline=None, derandomize=True)
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
