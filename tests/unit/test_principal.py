"""Contract, section 3: who calls, whatever identity provider made the token.

The tokens are of the shapes that the providers document (docs/identity-providers.md), and reach the function as API
Gateway hands them over: arrays as `[a b]`, numbers and booleans as text.
"""

from typing import Any
from uuid import UUID

import pytest

from local.authorizer import as_text
from wellspring.access.principal import Operator, Person, Principal, Service, principal_of
from wellspring.errors import Unauthorized
from wellspring.settings import CallerSettings, SettingsError, read_caller_settings

ADA = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OTHER = "0b1e6f5e-7a55-4c0b-9a51-6c1a1c9d7d10"
DEFAULT = CallerSettings()
TIMES = {"iat": 1778400862, "exp": 1778404462, "nbf": 1778400862}
AUTH0_PERSON = "https://wellspring.example/person"


def asked(token: dict[str, Any], **environment: str) -> Principal:
    """Return who calls with `token`, as API Gateway hands it over, where the deployment has these variables."""
    claims = {name: as_text(value) for name, value in (TIMES | token).items()}
    return principal_of(claims, read_caller_settings(environment))


# What the two tokens of a provider have in common, and then each of them.
COGNITO = {
    "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE",
    "token_use": "access",
    "auth_time": 1778400862,
    "jti": OTHER,
    "version": 2,
}
COGNITO_PERSON = COGNITO | {
    "sub": ADA,
    "cognito:groups": ["admins", "staff"],
    "client_id": "1example23456789",
    "origin_jti": OTHER,
    "event_id": OTHER,
    "scope": "aws.cognito.signin.user.admin openid ledger/system:read",
    "username": "ada",
}
COGNITO_SERVICE = COGNITO | {
    "sub": "7example98765432",
    "client_id": "7example98765432",
    "scope": "ledger/system:read ledger/sync:write",
}
AUTH0 = {"iss": "https://tenant.eu.auth0.com/", "azp": "my_client_id"}
AUTH0_USER = AUTH0 | {
    "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
    "aud": ["wellspring", "https://tenant.eu.auth0.com/userinfo"],
    "scope": "openid profile email system:read",
    "permissions": ["system:read"],
    AUTH0_PERSON: ADA,
}
AUTH0_SERVICE = AUTH0 | {
    "sub": "my_client_id@clients",
    "aud": "wellspring",
    "scope": "system:read sync:write",
    "gty": "client-credentials",
    "permissions": ["system:read", "sync:write"],
}
OKTA = {
    "ver": 1,
    "iss": "https://example.okta.com/oauth2/default",
    "aud": "wellspring",
    "cid": "0oabucvyc38HLL1ef0h7",
}
OKTA_USER = OKTA | {
    "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
    "uid": "00ujmkLgagxeRrAg20g3",
    "scp": ["openid", "email", "system:read"],
    "sub": "ada@example.com",
    "wellspring_person": ADA,
}
OKTA_SERVICE = OKTA | {"scp": ["system:read", "sync:write"], "sub": "0oabucvyc38HLL1ef0h7"}
ENTRA = {
    "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    "iss": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
    "azp": OTHER,
    "oid": ADA,
    "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47",
    "ver": "2.0",
}
ENTRA_USER = ENTRA | {
    "azpacr": "0",
    "idtyp": "user",
    "name": "Ada",
    "rh": "I",
    "scp": "access_as_user system:read",
    "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
}
ENTRA_SERVICE = ENTRA | {"azpacr": "1", "idtyp": "app", "roles": ["system:read", "sync:write"], "sub": ADA}
KEYCLOAK = {"iss": "https://keycloak.example/realms/wellspring", "aud": ["wellspring", "account"], "typ": "Bearer"}
KEYCLOAK_USER = KEYCLOAK | {
    "sub": ADA,
    "azp": "web",
    "sid": OTHER,
    "acr": "1",
    "allowed-origins": ["https://app.example"],
    "realm_access": {"roles": ["offline_access", "uma_authorization"]},
    "scope": "openid email profile system:read",
    "email_verified": True,
    "preferred_username": "ada",
}
KEYCLOAK_SERVICE = KEYCLOAK | {
    "sub": OTHER,
    "azp": "sync-pipeline",
    "scope": "system:read sync:write",
    "clientHost": "10.0.0.1",
    "email_verified": False,
    "preferred_username": "service-account-sync-pipeline",
    "clientAddress": "10.0.0.1",
    "client_id": "sync-pipeline",
}
READS_AND_SYNCS = frozenset({"system:read", "sync:write"})


@pytest.mark.parametrize(
    ("token", "environment", "expected"),
    [
        (COGNITO_PERSON, {"SCOPE_PREFIX": "ledger/"}, Person(UUID(ADA))),
        (COGNITO_SERVICE, {"SCOPE_PREFIX": "ledger/"}, Service("7example98765432", READS_AND_SYNCS)),
        (COGNITO_SERVICE, {}, Service("7example98765432", frozenset({"ledger/system:read", "ledger/sync:write"}))),
        (AUTH0_USER, {"PERSON_CLAIM": AUTH0_PERSON}, Person(UUID(ADA))),
        (AUTH0_SERVICE, {"PERSON_CLAIM": AUTH0_PERSON}, Service("my_client_id@clients", READS_AND_SYNCS)),
        (OKTA_USER, {"PERSON_CLAIM": "wellspring_person"}, Person(UUID(ADA))),
        (OKTA_SERVICE, {}, Service("0oabucvyc38HLL1ef0h7", READS_AND_SYNCS)),
        (ENTRA_USER, {"PERSON_CLAIM": "oid"}, Person(UUID(ADA))),
        (ENTRA_SERVICE, {"PERSON_CLAIM": "oid", "SCOPE_CLAIMS": "roles"}, Service(ADA, READS_AND_SYNCS)),
        (ENTRA_SERVICE, {"PERSON_CLAIM": "oid"}, Service(ADA, frozenset())),
        (KEYCLOAK_USER, {"SERVICE_SUBJECTS": OTHER}, Person(UUID(ADA))),
        (KEYCLOAK_SERVICE, {"SERVICE_SUBJECTS": OTHER}, Service(OTHER, READS_AND_SYNCS)),
        (KEYCLOAK_SERVICE, {"SERVICE_CLAIM": "client_id=sync-pipeline"}, Service(OTHER, READS_AND_SYNCS)),
    ],
)
def test_each_providers_tokens_say_who_calls(
    token: dict[str, Any], environment: dict[str, str], expected: Principal
) -> None:
    assert asked(token, **environment) == expected


@pytest.mark.parametrize("token", [AUTH0_USER, OKTA_USER, ENTRA_USER], ids=["Auth0", "Okta", "Entra"])
def test_a_person_whose_subject_is_no_uuid_is_never_a_service(token: dict[str, Any]) -> None:
    """Whatever scopes the token carries: it proves nothing."""
    with pytest.raises(Unauthorized):
        asked(token | {"scope": "system:read", "scp": ["system:read"]})


@pytest.mark.parametrize("proof", [{"client_id": ADA}, {"azp": ADA}, {"cid": ADA}, {"gty": "client-credentials"}])
def test_who_proves_to_be_a_program_is_no_person_though_its_subject_is_a_uuid(proof: dict[str, str]) -> None:
    assert principal_of({"sub": ADA, **proof}, DEFAULT) == Service(ADA, frozenset())


NO_SUBJECTS = ("[a b]", "map[a:b]", " pipeline", "pipeline ", "a\tb", "~" * 256, "pipelin\xe9")


@pytest.mark.parametrize(
    "claims",
    [
        *({"client_id": "other"}, {"azp": ""}, {"gty": "password"}, {"idtyp": "[app]"}, {}),
        *({"sub": sub, "client_id": sub} for sub in NO_SUBJECTS),
    ],
    ids=ascii,
)
def test_who_proves_nothing_or_has_what_can_be_no_subject_is_nobody(claims: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        principal_of({"sub": "pipeline", "scope": "system:read", **claims}, DEFAULT)


def test_an_empty_list_of_proofs_lets_no_claim_make_a_service() -> None:
    with pytest.raises(Unauthorized):
        asked(OKTA_SERVICE, SERVICE_CLAIM="")
    assert asked(OKTA_SERVICE, SERVICE_CLAIM="", SERVICE_SUBJECTS=f"{OKTA_SERVICE['sub']}, another") == Service(
        "0oabucvyc38HLL1ef0h7", READS_AND_SYNCS
    )


@pytest.mark.parametrize("claim", ["client_id", "azp", "cid"])
@pytest.mark.parametrize("said", ["null", "<nil>", "true", "false", None, "", 5, ["x"]])
def test_a_proof_compares_texts_that_are_there(said: object, claim: str) -> None:
    """Whatever API Gateway writes for a claim that is null: two that are not there are not the same name."""
    with pytest.raises(Unauthorized):
        principal_of({"sub": said, claim: said, "scope": "system:read"}, DEFAULT)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"scope": "system:read"}, {"system:read"}),
        ({"scope": " system:read  sync:write "}, {"system:read", "sync:write"}),
        ({"scope": "system:read", "scp": "sync:write"}, {"system:read", "sync:write"}),
        ({"scp": "[system:read sync:write]"}, {"system:read", "sync:write"}),
        ({"scope": "[system:read sync:write]"}, set()),
        ({"scp": "map[system:read:true]"}, set()),
        ({"scope": ""}, set()),
        ({"scope": None}, set()),
        ({"scope": ["system:read"]}, set()),
    ],
)
def test_a_service_has_the_scopes_of_its_token(claims: dict[str, object], expected: set[str]) -> None:
    found = principal_of({"sub": "pipeline", "client_id": "pipeline", **claims}, DEFAULT)
    assert found == Service("pipeline", frozenset(expected))


@pytest.mark.parametrize("separator", ["\t", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2003", ","])
def test_scopes_are_separated_by_the_space_of_rfc_6749_and_nothing_else(separator: str) -> None:
    claims = {"sub": "pipeline", "client_id": "pipeline", "scope": separator.join(("system:read", "sync:write"))}
    found = principal_of(claims, DEFAULT)
    assert isinstance(found, Service)
    assert not found.scopes & READS_AND_SYNCS


def test_where_scopes_have_a_prefix_a_scope_without_it_is_another_apis() -> None:
    token = {
        "sub": "pipeline",
        "client_id": "pipeline",
        "scope": "ledger/system:read sync:write other/sync:write ledger/",
    }
    assert asked(token, SCOPE_PREFIX="ledger/") == Service("pipeline", frozenset({"system:read"}))


@pytest.mark.parametrize("said", ["client_id", "=app", "client_id={sub},gty="])
def test_a_proof_that_is_no_claim_and_value_is_refused(said: str) -> None:
    with pytest.raises(SettingsError, match="SERVICE_CLAIM"):
        read_caller_settings({"SERVICE_CLAIM": said})


# ---- operators -------------------------------------------------------------------------------------------------
SUPPORT = {"OPERATOR_CLAIM": "groups", "OPERATOR_VALUE": "support"}
AUTH0_ROLES = "https://wellspring.example/roles"
# A person's token of each provider with what makes them an operator, and the deployment's variables.
OPERATORS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "Cognito": (
        COGNITO_PERSON | {"cognito:groups": ["admins", "support"]},
        {"OPERATOR_CLAIM": "cognito:groups", "OPERATOR_VALUE": "support"},
    ),
    "Auth0": (
        AUTH0_USER | {AUTH0_ROLES: ["support"]},
        {"PERSON_CLAIM": AUTH0_PERSON, "OPERATOR_CLAIM": AUTH0_ROLES, "OPERATOR_VALUE": "support"},
    ),
    "Okta": (
        OKTA_USER | {"wellspring_person": ADA, "groups": ["Everyone", "support"]},
        {"PERSON_CLAIM": "wellspring_person", **SUPPORT},
    ),
    "Entra": (
        {"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "oid": ADA, "roles": ["Ledger.Support"]},
        {"PERSON_CLAIM": "oid", "OPERATOR_CLAIM": "roles", "OPERATOR_VALUE": "Ledger.Support"},
    ),
    "Keycloak": ({"sub": ADA, "azp": "web", "groups": ["support"]}, SUPPORT),
    "one text": ({"sub": ADA, "groups": "support"}, SUPPORT),
}


@pytest.mark.parametrize("provider", OPERATORS)
def test_a_person_whose_token_has_the_value_operates_and_nobody_does_by_default(provider: str) -> None:
    token, environment = OPERATORS[provider]
    assert asked(token, **environment) == Operator(UUID(ADA))
    without = {name: value for name, value in environment.items() if name == "PERSON_CLAIM"}
    assert asked(token, **without) == Person(UUID(ADA))
    for name in ("OPERATOR_CLAIM", "OPERATOR_VALUE"):
        assert asked(token, **environment | {name: ""}) == Person(UUID(ADA)), name


@pytest.mark.parametrize(
    "said",
    [
        *(None, "", [], True, 7, "Support", "supporters", "support staff"),
        *(["staff"], ["Support"], {"support": True}, [["support"]]),
    ],
    ids=str,
)
def test_a_person_of_other_values_is_a_person(said: object) -> None:
    assert asked({"sub": ADA, "groups": said}, **SUPPORT) == Person(UUID(ADA))
    # As it stands in an event that nobody wrote as API Gateway does.
    assert principal_of({"sub": ADA, "groups": said}, read_caller_settings(SUPPORT)) == Person(UUID(ADA))


def test_a_list_is_as_good_as_what_the_gateway_makes_of_it() -> None:
    assert principal_of({"sub": ADA, "groups": ["a", "support"]}, read_caller_settings(SUPPORT)) == Operator(UUID(ADA))


def test_a_service_is_no_operator_and_nobody_is_none() -> None:
    of_support = {"groups": ["support"]}
    service = asked(AUTH0_SERVICE | of_support, **SUPPORT)
    assert service == asked(AUTH0_SERVICE)
    assert isinstance(service, Service)
    with pytest.raises(Unauthorized):
        asked({"sub": "auth0|5f7c8ec7c33c6c004bbafe82"} | of_support, **SUPPORT)
