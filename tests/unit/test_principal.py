"""Contract, section 3: a `sub` that is a uuid is a person, whatever the token's scope says."""

from uuid import UUID

import pytest

from wellspring.access.principal import Person, Service, principal_of
from wellspring.access.rules import permit
from wellspring.errors import Forbidden, Unauthorized

ADA = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


@pytest.mark.parametrize("claims", [None, {}, {"scope": "system:read"}, {"sub": ""}, {"sub": None}, {"sub": ["x"]}])
def test_no_subject_is_nobody(claims: dict[str, object] | None) -> None:
    with pytest.raises(Unauthorized):
        principal_of(claims)


@pytest.mark.parametrize("scope", ["", "system:read sync:write", None])
def test_a_uuid_is_a_person_who_may_always_ask(scope: str | None) -> None:
    found = principal_of({"sub": ADA, "scope": scope})
    assert found == Person(UUID(ADA))
    permit(found, "provenance", "read")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("system:read", {"system:read"}),
        (" system:read  sync:write ", {"system:read", "sync:write"}),
        ("", set()),
        (None, set()),
        (["system:read"], set()),
    ],
)
def test_a_service_has_the_scopes_of_its_token(scope: object, expected: set[str]) -> None:
    assert principal_of({"sub": "pipeline", "scope": scope}) == Service("pipeline", frozenset(expected))


def test_a_service_without_the_scope_may_not_read() -> None:
    with pytest.raises(Forbidden):
        permit(Service("pipeline", frozenset({"sync:write"})), "provenance", "read")
