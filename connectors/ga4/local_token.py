"""A bearer token for a GA4 endpoint on this machine, made without asking anybody.

Belongs here: the token that a service account's key signs by itself. Does not belong here: Google's
own endpoint, where the client package's credentials do more (client).

Import it where it is used: it imports google.auth.
"""

import time
from typing import Any

from google.auth import credentials, jwt
from google.oauth2 import service_account

AUDIENCE = "https://analyticsdata.googleapis.com/"
_LIFE_SECONDS = 3600


class LocalTokenCredentials(credentials.Credentials):
    """Signs a token for the Data API with a service account's key, and calls no server.

    google-auth's own credentials (2.62) ask iamcredentials.googleapis.com for allowed locations
    whatever the endpoint is, with the token; nothing may leave this machine for a local endpoint.
    """

    def __init__(self, account: service_account.Credentials) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._account = account

    def refresh(self, request: Any) -> None:
        """Make another token of an hour."""
        email = self._account.service_account_email
        now = int(time.time())
        claims = {"iss": email, "sub": email, "aud": AUDIENCE, "iat": now}
        signed = jwt.encode(  # type: ignore[no-untyped-call]
            self._account.signer, {**claims, "exp": now + _LIFE_SECONDS}
        )
        self.token = signed.decode()
