"""The token that RDS takes for a password: a URL without its scheme, signed in its query by Signature Version 4.

A function's own credentials lie in its environment. To import boto3 would make the way to a token half as long again
(`make bench`, `token`): it is asked where credentials come from elsewhere, after SnapStart or from a profile.
Source: Amazon RDS User Guide, "Connecting to your DB instance using IAM authentication"; AWS General Reference,
"Create a signed AWS API request".
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

LIFETIME_SECONDS = 15 * 60
_ALGORITHM = "AWS4-HMAC-SHA256"
_NO_BODY = hashlib.sha256(b"").hexdigest()


def token(environment: Mapping[str, str], host: str, port: int, user: str, region: str) -> str:
    """Return what `user` logs in to the database at `host` with, in `region`, for the next 15 minutes.

    Raises botocore's `NoCredentialsError` or `NoRegionError` where there is nothing to sign with.
    """
    key, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
    if key and secret and region:
        return sign(key, secret, environment.get("AWS_SESSION_TOKEN", ""), host, port, user, region, datetime.now(UTC))
    import boto3  # noqa: PLC0415  (see above)

    rds = boto3.client("rds", region_name=region or None)
    signed: str = rds.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    return signed


def sign(key: str, secret: str, session: str, host: str, port: int, user: str, region: str, at: datetime) -> str:
    """Return the token that these credentials sign at that time; `session` is empty for those that do not expire."""
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    scope = (moment[:8], region, "rds-db", "aws4_request")
    query = {
        "Action": "connect",
        "DBUser": user,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": "/".join((key, *scope)),
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(LIFETIME_SECONDS),
        **({"X-Amz-Security-Token": session} if session else {}),
        "X-Amz-SignedHeaders": "host",
    }
    # In the order of its names, as what is signed must be.
    asked = urlencode(query, quote_via=quote, safe="-_.~")
    request = "\n".join(("GET", "/", asked, f"host:{host}:{port}", "", "host", _NO_BODY))
    signed = "\n".join((_ALGORITHM, moment, "/".join(scope), hashlib.sha256(request.encode()).hexdigest()))
    signing_key = f"AWS4{secret}".encode()
    for part in scope:
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    return f"{host}:{port}/?{asked}&X-Amz-Signature={hmac.digest(signing_key, signed.encode(), 'sha256').hex()}"
