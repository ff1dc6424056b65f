"""``python -m postmta_ctl.agent``."""

from postmta_ctl.agent.command import main

main()
