"""The wheel is the whole product: installed where there is no checkout, it does the whole job."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_holds_every_file_of_the_package_and_what_it_renders_from(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {relative(path) for path in (ROOT / "postmta_ctl").rglob("*") if is_shipped(path)}
    for name in ("templates", "kumo_policy"):
        wanted |= {f"postmta_ctl/_data/{relative(path)}" for path in (ROOT / name).rglob("*") if is_shipped(path)}
    assert wanted - inside == set()
    assert {
        "postmta_ctl/luavm/lua-api.json",
        "postmta_ctl/py.typed",
        "postmta_ctl/store/migrations/env.py",
        "postmta_ctl/_data/docs/tour.md",
        "postmta_ctl/_data/templates/init.lua.j2",
        "postmta_ctl/_data/kumo_policy/init.lua",
    } <= inside


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_shipped(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def test_the_demonstration_runs_from_it(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment)
    python = environment / "bin/python"
    # The libraries are those of this environment, its link to the checkout is not: .pth files in a folder that is
    # itself named in a .pth file are not read.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = environment / "lib" / version / "site-packages"
    (libraries / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    install = ("-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel))
    run(sys.executable, *install, cwd=tmp_path)

    found = run(str(python), "-c", "import postmta_ctl; print(postmta_ctl.__file__)", cwd=tmp_path)
    assert found.strip().startswith(str(libraries))
    shown = run(str(environment / "bin/postmta"), "demo", "--data-dir", str(tmp_path / "data"), cwd=tmp_path)
    assert "Every message met the fate that was meant for it." in shown
