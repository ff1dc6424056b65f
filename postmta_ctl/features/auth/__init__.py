"""Registration, login, and who is asking."""
