"""Pictures of every page for the documentation: ``python -m tests.browser.screenshots docs/screenshots``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from postmta_ctl.console.navigation import MENU
from tests.browser.support import SCHEMES, WIDTHS, chromium, photograph, stage
from tests.serving import Service


def pages(staged: dict[str, str]) -> dict[str, str]:
    """Every page of the menu, and those that are reached from them."""
    listed = {entry.title.lower().replace(" ", "-"): entry.path for _, group in MENU for entry in group}
    return listed | staged | {"policy-release": "/console/policy/releases/2"}


def main(folder: Path) -> None:
    """Take them of a service with a simulated node."""
    with tempfile.TemporaryDirectory() as data:
        service = Service(Path(data), {})
        try:
            service.start()
            service.register()
            staged = stage(service)
            with chromium() as browser:
                wrong = photograph(browser, service.url, pages(staged), folder)
        finally:
            service.close()
    print(*wrong, sep="\n", end="\n" if wrong else "")
    contents(folder)
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--ext=.png", "--force", "--strip", *folder.glob("*.png")], check=True)


def contents(folder: Path) -> None:
    """Write the page that shows them."""
    names = sorted({one.stem.rsplit("-", 2)[0] for one in folder.glob("*.png")})
    lines = ["# Pictures of the console", "", "Made by `make screenshots`, over a simulated node.", ""]
    for name in names:
        shown = [f"![{name}, {width}, {scheme}]({name}-{width}-{scheme}.png)" for width in WIDTHS for scheme in SCHEMES]
        lines += [f"## {name.replace('-', ' ').capitalize()}", *shown, ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
