"""The house keeps its own rules: who may import what, and nothing in the repository that belongs to one machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOW_FILES = sorted((ROOT / "flows").rglob("*.py"))
HEAVY = {"numpy", "pandas", "pyarrow", "sklearn", "xgboost", "mlflow", "matplotlib", "scipy", "duckdb", "boto3"}
IMAGES = ("flow", "mlflow")
ROOMS_A_FLOW_MAY_ENTER = {"models", "scoring", "publication", "metrics", "units"}


def modules_imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("file", FLOW_FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_flow_enters_only_the_rooms_that_are_open_to_flows(file: Path) -> None:
    ours = {name for name in modules_imported(ast.parse(file.read_text())) if name.split(".")[0] == "platform_cli"}
    assert {name.split(".")[1] for name in ours} <= ROOMS_A_FLOW_MAY_ENTER


@pytest.mark.parametrize("file", FLOW_FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_flow_imports_heavy_libraries_inside_its_steps_only(file: Path) -> None:
    """Every step is a process that loads the file: a heavy import at the top makes each step nine times slower."""
    tree = ast.parse(file.read_text())
    top = ast.Module(
        body=[node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.ClassDef))], type_ignores=[]
    )
    assert not {name.split(".")[0] for name in modules_imported(top)} & (HEAVY)


def test_loading_every_room_of_the_foundation_costs_no_heavy_library() -> None:
    code = (
        "import sys, platform_cli.errors, platform_cli.units, platform_cli.names, platform_cli.settings, "
        "platform_cli.signals; print(' '.join(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not {name.split(".")[0] for name in loaded.stdout.split()} & (HEAVY | {"metaflow", "hera", "kubernetes"})


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "images/flow/requirements.lock", "images/mlflow/requirements.lock"]
)
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^[a-z0-9._\[\]-]+==.*(?:\n    --hash.*)*", text, flags=re.MULTILINE)
    assert len(pins) > 50
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_gets_the_versions_that_everyone_tests_with(image: str) -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^([a-z0-9._-]+==\S+)", path.read_text(), flags=re.MULTILINE))

    # What only the server needs: the driver of its database, and the exporter of its metrics.
    drivers = {
        pin
        for pin in pins(ROOT / "images" / image / "requirements.lock")
        if pin.startswith(("psycopg2", "prometheus-flask-exporter"))
    }
    assert pins(ROOT / "images" / image / "requirements.lock") - pins(ROOT / "requirements.lock") <= drivers


def test_the_repository_holds_no_path_of_one_machine_and_no_large_file() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    home_paths = re.compile(r"(?<![\w.])/(?:home|Users|root)/[a-z]")
    found = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        if path.stat().st_size > 400_000 and not name.endswith((".lock", ".sum")):
            found.append(f"{name}: {path.stat().st_size} bytes")
        if path.suffix in {".py", ".md", ".toml", ".sh", ".yaml", ".json"} and home_paths.search(path.read_text()):
            found.append(f"{name}: a home folder")
    assert found == []


def test_every_link_and_every_page_that_is_named_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "tools").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)", page.read_text())]
    broken = [f"{page.name}: {link}" for page, link in links if "://" not in link and not (page.parent / link).exists()]
    sources = [ROOT / "platform.toml", *(ROOT / "platform_cli").rglob("*.py"), *(ROOT / "flows").rglob("*.*")]
    named = {(s, name) for s in sources for name in re.findall(r"docs/[\w/-]+\.md", s.read_text(errors="ignore"))}
    broken += [f"{source.name}: {name}" for source, name in named if not (ROOT / name).exists()]
    assert broken == []
