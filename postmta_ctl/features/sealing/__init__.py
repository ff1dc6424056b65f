"""Sealing everything anew, under the present master key."""
