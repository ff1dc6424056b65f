"""Message templates with variables, in versions that never change."""
