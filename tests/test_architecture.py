"""The plan of the house is held by machines: each contract is seen to break when it should."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
ROOMS = ("models", "service", "flows")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [script, "--no-cache"], cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copied_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_the_house_keeps_its_contracts(copied_house: Path) -> None:
    result = lint_imports(copied_house)
    assert result.returncode == 0, result.stdout
    assert "5 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("room", "statement", "contract"),
    [
        ("service/release/atomic.py", "import models.recipe", "1."),
        ("models/recipe.py", "import flows.steps.errors", "1."),
        ("service/release/atomic.py", "import torch", "2."),
        ("models/recipe.py", "import onnxruntime", "3."),
        ("flows/steps/recipes.py", "import service.settings", "4."),
        ("flows/steps/recipes.py", "import service.door.scopes", "4."),
        ("flows/steps/recipes.py", "import service.formats.npy", "4."),
        ("flows/steps/recipes.py", "import prefect", "5."),
    ],
)
def test_a_contract_breaks_when_it_should(copied_house: Path, room: str, statement: str, contract: str) -> None:
    path = copied_house / room
    original = path.read_text()
    path.write_text(f"{original}\n{statement}\n")
    try:
        result = lint_imports(copied_house)
    finally:
        path.write_text(original)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert any(line.startswith(contract) for line in broken), result.stdout


def test_no_file_of_the_house_is_longer_than_300_lines() -> None:
    sources = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    long = {str(path.relative_to(ROOT)): lines for path in sources if (lines := path.read_text().count("\n")) > 300}
    assert not long


def test_a_module_is_named_for_its_purpose() -> None:
    names = {path.stem for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_locked_requirements_have_hashes_and_no_addresses() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text
        if path.name != "constraints.txt":
            pins = re.findall(r"^[a-z0-9].*==", text, flags=re.MULTILINE)
            assert len(pins) > 20
            assert text.count("--hash=sha256:") >= len(pins)


def test_the_service_needs_neither_torch_nor_prefect_installed() -> None:
    text = (ROOT / "requirements" / "service.txt").read_text()
    assert not re.search(r"^(torch|torchvision|prefect)==", text, flags=re.MULTILINE)


def test_the_three_locks_agree() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        return set(re.findall(r"^[a-z0-9][^ ;\\]*==[^ ;\\]*", text, flags=re.MULTILINE))

    assert pins("service") <= pins("training") <= pins("development")


def test_the_project_is_described_once() -> None:
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert described["project"]["scripts"] == {"manifold": "flows.command_line:main"}


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_local_link_of_the_documents_leads_somewhere(document: Path) -> None:
    for token in MarkdownIt().parse(document.read_text()):
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if isinstance(target, str) and "://" not in target and not target.startswith("#"):
                assert (document.parent / target.partition("#")[0]).exists(), target
