"""Our reading of .gitignore agrees with git's own, which is the oracle."""

import random
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from platform_cli.code.gitignore import Ignored

NAMES = ["a", "b", "ab", "a.py", "b.py", "A", "a b", "#a", "!b", "a[1]"]
PATTERNS = [
    *["*.py", "a", "/a", "a/", "/b/", "a/b", "/a/*", "**/b", "a/**", "a/**/b", "**", "!a", "!*.py", "!a/", "!/b/a.py"],
    *["[ab]", "[!a]", "[a-b].py", "?", "a?", "\\#a", "\\!b", "a\\[1\\]", "# no", "", "a  ", "*", "!b/", "a*", "*/b"],
]


def ours(root: Path) -> set[str]:
    ignored, found = Ignored(root), set()
    for path in root.rglob("*"):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        if path.name == ".gitignore" or relative.parts[0] == ".git":
            continue
        chain = [relative, *list(relative.parents)[:-1]][::-1]
        if any(ignored(part, is_folder=(root / part).is_dir()) for part in chain):
            found.add(str(relative))
    return found


def gits(root: Path) -> set[str]:
    paths = [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.name != ".gitignore" and path.relative_to(root).parts[0] != ".git"
    ]
    answer = subprocess.run(
        ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "-z", "--stdin"],
        cwd=root, input="\0".join(paths), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode in (0, 1), answer.stderr
    return set(filter(None, answer.stdout.split("\0")))


@pytest.mark.parametrize("seed", range(12))
def test_random_files_of_patterns_mean_what_they_mean_to_git(tmp_path: Path, seed: int) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    chance = random.Random(seed)
    for folder in ("", "a/", "a/b/"):
        for name in chance.sample(NAMES, 6):
            path = tmp_path / folder / name
            if name in ("a", "b"):
                path.mkdir(parents=True, exist_ok=True)
                (path / "inside.py").write_text("")
            elif not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
    for _ in range(6):
        for folder in ("", "a"):
            if (tmp_path / folder).is_dir():
                lines = chance.sample(PATTERNS, chance.randint(1, 5))
                (tmp_path / folder / ".gitignore").write_text("\n".join(lines) + "\n")
        assert ours(tmp_path) == gits(tmp_path)
