"""A service account that exists only for the sandbox, and the check of the tokens that it signs.

Belongs here: the key file that Application Default Credentials read, bearer tokens. Does not belong
here: which requests need one (ga4_rest).

Google's clients sign a token with the account's own key and send it as the bearer, without asking
any token server (API facts A2), so a local sandbox can check the real thing.
"""

import json
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions as auth_exceptions
from google.auth import jwt

from connectors.sandbox.ga4_errors import invalid_credentials, missing_credentials

_AUDIENCE = "https://analyticsdata.googleapis.com/"
_SCOPES = {
    "https://www.googleapis.com/auth/analytics.readonly",
    "https://www.googleapis.com/auth/analytics",
}
_LONGEST_LIFE_SECONDS = 3600
_EMAIL = "okr-sync@okr-sync-sandbox.iam.gserviceaccount.com"


class SandboxServiceAccount:
    """One service account with a fresh key; its file is all that a client needs.

    The key is made when it is first needed, which takes a tenth of a second or more: over gRPC it
    never is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: rsa.RSAPrivateKey | None = None
        self._key_id = secrets.token_hex(20)

    def write_key_file(self, path: Path) -> Path:
        """Write the key as Google's JSON, readable by the owner only; returns the path."""
        private_pem = (
            self._key()
            .private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            .decode()
        )
        content = {
            "type": "service_account",
            "project_id": "okr-sync-sandbox",
            "private_key_id": self._key_id,
            "private_key": private_pem,
            "client_email": _EMAIL,
            "client_id": "100000000000000000000",
            # Required by the format and never called; port 9 of loopback answers nobody.
            "auth_uri": "http://127.0.0.1:9/auth",
            "token_uri": "http://127.0.0.1:9/token",
            "universe_domain": "googleapis.com",
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        return path

    def check(self, headers: Mapping[str, str], method: str) -> None:
        """Check the `authorization` header of a call; raises Ga4ApiError (401)."""
        header = headers.get("authorization", "")
        if not header:
            raise missing_credentials(method)
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise invalid_credentials()
        try:
            claims = jwt.decode(token, certs=self._public_pem())  # type: ignore[no-untyped-call]
            key_id = jwt.decode_header(token).get("kid")  # type: ignore[no-untyped-call]
        except (ValueError, auth_exceptions.GoogleAuthError):
            raise invalid_credentials() from None
        scopes = set(str(claims.get("scope", "")).split())
        if (
            key_id != self._key_id
            or claims.get("iss") != _EMAIL
            or claims["exp"] - claims["iat"] > _LONGEST_LIFE_SECONDS
            or not (claims.get("aud") == _AUDIENCE or scopes & _SCOPES)
        ):
            raise invalid_credentials()

    def _key(self) -> rsa.RSAPrivateKey:
        with self._lock:
            if self._made is None:
                self._made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._made

    def _public_pem(self) -> bytes:
        return (
            self._key()
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
