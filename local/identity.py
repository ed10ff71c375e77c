"""The issuer of the local stack: a key pair, its key set, and tokens for the demo's principals.

The key and the issuer's name live in the state folder, so that `make token` needs no running stack and a restart
does not spoil the tokens that were made before it.
"""

import base64
import hashlib
import os
import time
import uuid
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.demo_data import PRINCIPALS
from local.errors import Fault
from local.settings import HOST, make_state_folder

AUDIENCE = "wellspring"
LIFETIME_SECONDS = 12 * 3600


def base64url(data: bytes) -> str:
    """Return `data` in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _write_once(path: Path, content: bytes) -> bytes:
    """Return what `path` holds; when it does not exist, write `content` first. Two writers agree on one."""
    make_state_folder(path.parents[1])
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    with suppress(FileExistsError):
        os.link(unfinished, path)
    unfinished.unlink()
    return path.read_bytes()


class Identity:
    """The issuer whose secrets are in the folder `state`; they are made when first needed."""

    def __init__(self, state: Path, port: int) -> None:
        self._key_file = state / "identity" / "key.pem"
        self._issuer_file = state / "identity" / "issuer"
        self._default_issuer = f"http://{HOST}:{port}/issuer"

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        if self._key_file.exists():
            pem = self._key_file.read_bytes()
        else:
            new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = _write_once(
                self._key_file,
                new.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except ValueError as error:
            raise Fault(f"{self._key_file} is not a private key; `make clean` makes a new one") from error
        assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101  this class wrote it
        return key

    @property
    def issuer(self) -> str:
        """The `iss` of the tokens: where the stack last answered, or will by default."""
        if not self._issuer_file.exists():
            _write_once(self._issuer_file, self._default_issuer.encode())
        return self._issuer_file.read_text()

    def move_to(self, api_url: str) -> None:
        """Make `api_url` the home of the issuer, whose documents are found beneath its name."""
        if self.issuer != f"{api_url}/issuer":
            self._issuer_file.write_text(f"{api_url}/issuer")

    @cached_property
    def key_id(self) -> str:
        """The id of the key, derived from it."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64url(hashlib.sha256(der).digest()[:12])

    def find_key(self, key_id: str) -> rsa.RSAPublicKey | None:
        """Return the public key of that id."""
        return self._key.public_key() if key_id == self.key_id else None

    def key_set(self) -> dict[str, Any]:
        """Return the JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        modulus, exponent = (
            base64url(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e)
        )
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, "n": modulus, "e": exponent}
        return {"keys": [key]}

    def configuration(self) -> dict[str, Any]:
        """Return the OpenID configuration, as far as an authorizer and the console read it."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token that says `claims`."""
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.key_id})

    def token(self, name: str) -> str:
        """Return a token for the demo principal `name`, good for twelve hours; Fault for an unknown name."""
        if name not in PRINCIPALS:
            raise Fault(f"no principal {name!r}: AS must be one of {', '.join(PRINCIPALS)}")
        return self._lasting(PRINCIPALS[name])

    def token_of_person(self, subject: str) -> str:
        """Return a token for the person with the id `subject`, good for twelve hours; Fault where it is no uuid."""
        try:
            named = uuid.UUID(subject)
        except ValueError as error:
            raise Fault(f"SUB={subject} is not a uuid: a person is named by the id of a row of peoples") from error
        return self._lasting({"sub": str(named)})

    def token_of_service(self, name: str, scope: str) -> str:
        """Return a token for a service with these scopes, good for twelve hours; Fault where the name is a person's.

        `client_id` equals `sub`, as the issuers write it by which services sign in (contract, section 3).
        """
        with suppress(ValueError):
            uuid.UUID(name)
            raise Fault(f"SERVICE={name} is a uuid, which names a person: use SUB={name}")
        return self._lasting({"sub": name, "client_id": name, **({"scope": scope} if scope else {})})

    def _lasting(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + LIFETIME_SECONDS}
        return self.sign({"iss": self.issuer, "aud": AUDIENCE, **times, **claims})
