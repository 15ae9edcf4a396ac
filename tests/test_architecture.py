"""The shape of the code: who may import whom, and who may write what."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ("deployer_site", "deployments", "traffic", "environments", "notifications")
ONLY_IN = {
    "fabric": "environments/ssh",
    "paramiko": "environments/ssh",
    "invoke": "environments/ssh",
    "slack_sdk": "notifications/slack",
    "statsd": "notifications/metrics",
    "apprise": "notifications/apprise_program",
    "requests": "notifications/apprise_program",
}
VAGUE = {"utils", "util", "helpers", "helper", "services", "managers", "core", "common", "misc"}
WRITERS = {"update", "create", "get_or_create", "update_or_create", "aupdate", "acreate", "Deploy"}
STATUS_WRITERS = {"deployments/moves.py", "deployments/runs.py"}
DEPLOY_WRITERS = {
    "deployments/lifecycle/beginning.py",
    "deployments/lifecycle/moves.py",
    "deployments/lifecycle/ending.py",
    "deployments/past.py",  # deploys that were over before the Deployer came
}


def sources() -> list[Path]:
    """Our Python files, without those of tests."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [Path(line) for line in listed.stdout.splitlines()]
    return [path for path in paths if path.parts[0] in ORDER and (ROOT / path).exists()]


@cache
def trees() -> tuple[tuple[Path, ast.Module], ...]:
    """Each file read; once, for that takes seconds."""
    return tuple((path, ast.parse((ROOT / path).read_text(), str(path))) for path in sources())


def imported(node: ast.AST, path: Path) -> list[str]:
    """The modules that an import statement names, relative ones in full."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if not node.level:
            return [node.module or ""]
        folder = ".".join(path.parts[: len(path.parts) - node.level])
        return [f"{folder}.{node.module or ''}"]
    return []


def leftward(path: Path, tree: ast.AST) -> list[str]:
    """Imports of something that stands to the left of the file's own package."""
    own = ORDER.index(path.parts[0])
    names = [name for node in ast.walk(tree) for name in imported(node, path)]
    return [name for name in names if name.split(".")[0] in ORDER[:own]]


def inner_imports(tree: ast.AST) -> list[int]:
    """Lines of imports within functions, also of those by a call."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = [node for function in functions for node in ast.walk(function) if isinstance(node, ast.stmt | ast.expr)]
    return [node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom) or calls_an_import(node)]


def calls_an_import(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr == "import_module" and ast.unparse(function) == "importlib.import_module"
    return isinstance(function, ast.Name) and function.id == "__import__"


def status_writes(tree: ast.AST) -> list[str]:
    """Calls and assignments that write a field named status."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WRITERS and any(keyword.arg == "status" for keyword in node.keywords):
                found.append(ast.unparse(node.func))
            if name == "setattr" and len(node.args) > 1 and ast.unparse(node.args[1]) == "'status'":
                found.append(ast.unparse(node))
            if name in {"bulk_update", "save"} and "'status'" in ast.unparse(node):
                found.append(ast.unparse(node.func))
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [ast.unparse(t) for t in targets if isinstance(t, ast.Attribute) and t.attr == "status"]
    return found


def of_deploy(written: str) -> bool:
    return written.startswith("Deploy") or "deploy.status" in written or "Deploy.objects" in written


def test_imports_run_one_way() -> None:
    wrong = {str(path): names for path, tree in trees() if (names := leftward(path, tree))}
    assert wrong == {}


def test_no_import_stands_in_a_function() -> None:
    wrong = {str(path): lines for path, tree in trees() if (lines := inner_imports(tree))}
    assert wrong == {}


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_is_imported_in_one_place_only(package: str) -> None:
    users = {
        str(path)
        for path, tree in trees()
        for node in ast.walk(tree)
        if any(name.split(".")[0] == package for name in imported(node, path))
    }
    place = ONLY_IN[package]
    assert {user for user in users if user != f"{place}.py" and not user.startswith(f"{place}/")} == set()


def test_only_lifecycle_writes_a_deploys_status() -> None:
    wrong: dict[str, list[str]] = {}
    for path, tree in trees():
        if path.parts[0] != "deployments" or "migrations" in path.parts or str(path) in DEPLOY_WRITERS:
            continue
        writes = status_writes(tree)
        wrong[str(path)] = [text for text in writes if of_deploy(text) or str(path) not in STATUS_WRITERS]
    assert {path: writes for path, writes in wrong.items() if writes} == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    wrong = [str(path) for path in sources() if VAGUE & {path.stem, *path.parts}]
    assert wrong == []


def test_every_package_of_ours_is_looked_at() -> None:
    seen = {path.parts[0] for path in sources()}
    assert {"deployer_site", "deployments", "environments", "notifications"} <= seen
    assert Path("environments/ssh.py") in sources() or any(
        path.parts[:2] == ("environments", "ssh") for path in sources()
    )


@pytest.mark.parametrize(
    "text",
    [
        "Deploy.objects.filter(pk=1).update(status='x')",
        "Deploy.objects.create(status='x')",
        "Deploy(status='x').save()",
        "deploy.status = 'x'",
        "deploy.save(update_fields=['status'])",
        "setattr(deploy, 'status', 'x')",
        "Deploy.objects.bulk_update(rows, ['status'])",
    ],
)
def test_a_write_of_status_is_noticed(text: str) -> None:
    assert status_writes(ast.parse(text))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("notifications/x.py", "from environments.models import Host"),
        ("environments/x.py", "import deployments.log"),
        ("environments/demo/x.py", "from deployments import log"),
        ("deployments/x.py", "from deployer_site.settings import VAR"),
        ("environments/x.py", "def f():\n    from traffic import haproxy"),
    ],
)
def test_an_import_to_the_left_is_noticed(path: str, text: str) -> None:
    assert leftward(Path(path), ast.parse(text))


@pytest.mark.parametrize(
    "text",
    ["def f():\n    import os", "def f():\n    return __import__('os')", "def f():\n    importlib.import_module('os')"],
)
def test_an_import_in_a_function_is_noticed(text: str) -> None:
    assert inner_imports(ast.parse(text))
