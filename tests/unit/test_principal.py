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
from wellspring.settings import SettingsError, read_caller_settings

ADA = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OTHER = "0b1e6f5e-7a55-4c0b-9a51-6c1a1c9d7d10"
TIMES = {"iat": 1778400862, "exp": 1778404462, "nbf": 1778400862}
AUTH0_PERSON = "https://wellspring.example/person"


def who(token: dict[str, Any], **environment: str) -> Principal | None:
    """Return who calls with `token`, as API Gateway hands it over, where the deployment has these variables."""
    return called({name: as_text(value) for name, value in (TIMES | token).items()}, environment)


def called(claims: dict[str, Any], environment: dict[str, str]) -> Principal | None:
    try:
        return principal_of(claims, read_caller_settings(environment))
    except Unauthorized:
        return None


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
    assert who(token, **environment) == expected


@pytest.mark.parametrize("token", [AUTH0_USER, OKTA_USER, ENTRA_USER], ids=["Auth0", "Okta", "Entra"])
def test_a_person_whose_subject_is_no_uuid_is_never_a_service(token: dict[str, Any]) -> None:
    """Whatever scopes the token carries: it proves nothing."""
    assert who(token | {"scope": "system:read", "scp": ["system:read"]}) is None


PIPELINE = {"sub": "pipeline", "client_id": "pipeline"}
SUPPORT = {"OPERATOR_CLAIM": "groups", "OPERATOR_VALUE": "support"}
OKTAS = {"SERVICE_CLAIM": "", "SERVICE_SUBJECTS": f"{OKTA_SERVICE['sub']}, another"}
NULLS: tuple[object, ...] = ("null", "<nil>", "true", "false", None, "", 5, ["x"])
GROUPS: tuple[object, ...] = (
    *(None, "", [], True, 7, "Support", "supporters", "support staff", "[staff]", "map[support:true]"),
    *(["staff"], ["Support"], {"support": True}, [["support"]]),
)
type Said = tuple[dict[str, Any], dict[str, str], Principal | None]


def of(*scopes: str) -> Service:
    return Service("pipeline", frozenset(scopes))


SAID: list[Said] = [
    ({"sub": ADA.upper(), "scope": "system:read"}, {}, Person(UUID(ADA))),
    # Who proves to be a program is no person though its subject is a uuid.
    *(({"sub": ADA, proof: ADA}, {}, Service(ADA, frozenset())) for proof in ("client_id", "azp", "cid")),
    ({"sub": ADA, "gty": "client-credentials"}, {}, Service(ADA, frozenset())),
    # Who proves nothing, or has what can be no subject, is nobody.
    *(
        ({"sub": "pipeline", "scope": "system:read", **claims}, {}, None)
        for claims in ({"client_id": "other"}, {"azp": ""}, {"gty": "password"}, {"idtyp": "[app]"}, {})
    ),
    *(
        ({"sub": sub, "client_id": sub}, {}, None)
        for sub in ("[a b]", "map[a:b]", " pipeline", "pipeline ", "a\tb", "~" * 256, "pipelin\xe9")
    ),
    # Whatever API Gateway writes for a claim that is null: two that are not there are not the same name.
    *(
        ({"sub": null, claim: null, "scope": "system:read"}, {}, None)
        for claim in ("client_id", "azp", "cid")
        for null in NULLS
    ),
    # An empty list of proofs lets no claim make a service.
    (OKTA_SERVICE | {"scp": "[system:read sync:write]"}, {"SERVICE_CLAIM": ""}, None),
    (OKTA_SERVICE | {"scp": "[a]"}, OKTAS, Service(str(OKTA_SERVICE["sub"]), frozenset({"a"}))),
    # Scopes are separated by the space of RFC 6749 and nothing else.
    ({"scope": " system:read  sync:write "}, {}, of("system:read", "sync:write")),
    ({"scope": "system:read", "scp": "sync:write"}, {}, of("system:read", "sync:write")),
    ({"scp": "[system:read sync:write]"}, {}, of("system:read", "sync:write")),
    *(
        ({"scope": f"a{separator}b"}, {}, of(f"a{separator}b"))
        for separator in ("\t", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2003", ",")
    ),
    ({"scp": "map[system:read:true]"}, {}, of()),
    # Where they have a prefix, one without it is another API's.
    ({"scope": "ledger/a b other/c ledger/"}, {"SCOPE_PREFIX": "ledger/"}, of("a")),
    # A person of another value is no operator, and a list is as good as what the gateway makes of it.
    *(({"sub": ADA, "groups": groups}, SUPPORT, Person(UUID(ADA))) for groups in GROUPS),
    *(({"sub": ADA, "groups": groups}, SUPPORT, Operator(UUID(ADA))) for groups in (["a", "support"], "[a support]")),
    ({"sub": ADA, "groups": ""}, SUPPORT | {"OPERATOR_VALUE": ""}, Person(UUID(ADA))),
    # Nor is a service one, nor nobody.
    ({"groups": "support"}, SUPPORT, of()),
    *(({"sub": sub, "groups": "support"}, SUPPORT, None) for sub in ("auth0|5f7c8ec7c33c6c004bbafe82", "", None)),
]


@pytest.mark.parametrize(("claims", "environment", "expected"), SAID, ids=[ascii(claims) for claims, *_ in SAID])
def test_claims_say_who_calls(claims: dict[str, Any], environment: dict[str, str], expected: Principal | None) -> None:
    caller = claims if "sub" in claims else PIPELINE | claims
    assert called(caller, environment) == expected


SCOPES = "system:read sync:write providers:match"
# Scopes that are no space-separated list: they grant nothing.
NO_SCOPES: tuple[Any, ...] = (
    *(None, "", " ", True, 7, [], SCOPES.split(), {"system:read": True}, {"sync:write": "true"}),
    # As API Gateway writes an array and an object.
    *(f"[{SCOPES}]", "[sync:write]", "[a system:read sync:write providers:match b]", "map[a:b sync:write c:d]"),
    *(SCOPES.replace(" ", separator) for separator in (",", "+", ";", "%20", "\x00", "\xad")),
    *(SCOPES.upper(), SCOPES.replace(":", "."), SCOPES.replace(":", ":*"), "system:* sync:* providers:*", "*"),
    *(SCOPES.replace("e", "\u0435"), SCOPES.replace(":", "\uff1a")),
)
# Scopes are read from `scope` and `scp` alone.
OTHER_CLAIMS = dict.fromkeys(("scopes", "Scope", "SCP", "permissions", "roles", "cognito:groups", "scope "), SCOPES)


@pytest.mark.parametrize("claims", [OTHER_CLAIMS, *({"scope": scope} for scope in NO_SCOPES)], ids=ascii)
def test_what_is_no_list_of_scopes_grants_nothing(claims: dict[str, Any]) -> None:
    caller = called(PIPELINE | claims, {})
    assert isinstance(caller, Service)
    assert caller.scopes.isdisjoint(SCOPES.split())


@pytest.mark.parametrize("said", ["client_id", "=app", "client_id={sub},gty="])
def test_a_proof_that_is_no_claim_and_value_is_refused(said: str) -> None:
    with pytest.raises(SettingsError, match="SERVICE_CLAIM"):
        read_caller_settings({"SERVICE_CLAIM": said})


# ---- operators -------------------------------------------------------------------------------------------------
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
    assert who(token, **environment) == Operator(UUID(ADA))
    without = {name: value for name, value in environment.items() if name == "PERSON_CLAIM"}
    assert who(token, **without) == Person(UUID(ADA))
    for name in ("OPERATOR_CLAIM", "OPERATOR_VALUE"):
        assert who(token, **environment | {name: ""}) == Person(UUID(ADA)), name
