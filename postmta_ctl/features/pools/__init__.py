"""Named pools of vMTAs."""
