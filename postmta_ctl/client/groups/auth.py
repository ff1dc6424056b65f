"""Authentication."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.auth.schemas import AccessToken, Login, Me, PasswordChange, RefreshToken, Register, Registered


class Authentication(Group[R_co]):
    """What stands in the document under Authentication."""

    @operation
    def register(self, body: Register) -> Call[Registered]:
        """Register a new user and organization."""
        return Call("POST", "/api/v1/auth/register", Registered, body=body)

    @operation
    def login(self, body: Login) -> Call[AccessToken]:
        """Login with email and password, returns JWT."""
        return Call("POST", "/api/v1/auth/login", AccessToken, body=body)

    @operation
    def refresh(self, body: RefreshToken) -> Call[AccessToken]:
        """Exchange a refresh token for new tokens."""
        return Call("POST", "/api/v1/auth/refresh", AccessToken, body=body)

    @operation
    def logout(self, body: RefreshToken) -> Call[None]:
        """End a login."""
        return Call("POST", "/api/v1/auth/logout", NoneType, body=body)

    @operation
    def change_password(self, body: PasswordChange) -> Call[AccessToken]:
        """Change the password."""
        return Call("POST", "/api/v1/auth/password", AccessToken, body=body)

    @operation
    def me(self) -> Call[Me]:
        """Get current authenticated user details."""
        return Call("GET", "/api/v1/auth/me", Me)
