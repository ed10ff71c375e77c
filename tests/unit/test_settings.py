import pytest

from wellspring.settings import Settings, SettingsError, read_settings

LEAST = {"DB_HOST": "db.internal", "DB_USER": "wellspring_reader"}


def test_host_and_user_are_enough() -> None:
    assert read_settings(LEAST) == Settings(db_host="db.internal", db_user="wellspring_reader")


def test_the_defaults_are_the_safe_ones() -> None:
    found = read_settings(LEAST)
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
