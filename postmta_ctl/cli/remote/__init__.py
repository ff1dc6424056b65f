"""The groups of the API as commands: made of one table and of the signatures of ``postmta_ctl.client``."""
