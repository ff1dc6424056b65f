"""``python -m postmta_ctl`` is ``postmta``."""

from postmta_ctl.cli import main

main()
