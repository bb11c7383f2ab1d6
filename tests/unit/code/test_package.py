"""A code package is a function of the sources alone, and nothing in it can harm the pod that unpacks it."""

import hashlib
import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from platform_cli.code.files import CodeRules, read_code_rules, select_files
from platform_cli.code.package import Package, pack, unpack
from platform_cli.errors import CodeRefused, NotFound, SettingsError, UsageError
from platform_cli.units import Memory


def a_tree(root: Path, **files: str) -> Path:
    """Write files; a `__` in a name is a `/`, so that names can be keywords."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def a_working_copy(root: Path) -> Path:
    return a_tree(
        root,
        flows__risk__train_dot_py="import risk\n",
        flows__risk__gate_dot_toml="auc = 0.7\n",
        flows__risk__README_dot_md="old words\n",
        flows__growth__flow_dot_py="print()\n",
        shared__features_dot_py="x = 1\n",
    )


def packed(root: Path, rules: CodeRules | None = None) -> Package:
    return pack(root, select_files(root, root / "flows" / "risk", rules or CodeRules()))


def names(root: Path, rules: CodeRules | None = None) -> list[str]:
    return [str(path) for path in select_files(root, root / "flows" / "risk", rules or CodeRules())]


def an_archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def refused(body: bytes, folder: Path) -> str:
    with pytest.raises(CodeRefused) as caught:
        unpack(body, hashlib.sha256(body).hexdigest(), folder)
    return str(caught.value)


def test_a_package_holds_the_flows_folder_and_nothing_else(tmp_path: Path) -> None:
    assert names(a_working_copy(tmp_path)) == ["flows/risk/gate.toml", "flows/risk/train.py"]


def test_the_same_sources_in_another_place_by_another_day_and_mode_are_the_same_package(tmp_path: Path) -> None:
    first, second = a_working_copy(tmp_path / "a"), a_working_copy(tmp_path / "deeper" / "b")
    os.utime(second / "flows/risk/train.py", (1, 1))
    (second / "flows/risk/train.py").chmod(0o700)
    assert packed(first).body == packed(second).body
    # Written out, so that another Python or another day that changed the bytes would be seen.
    assert packed(first).name == "219ba23e35ddfb91bb0a6690924813401077955fba7fba45cb0f256d92f902ee.tar"


def test_a_change_of_documentation_changes_no_hash(tmp_path: Path) -> None:
    before = packed(a_working_copy(tmp_path))
    (tmp_path / "flows/risk/README.md").write_text("new words\n")
    (tmp_path / "flows/growth/flow.py").write_text("another flow\n")
    assert packed(tmp_path).sha256 == before.sha256


def test_a_change_of_one_byte_of_code_changes_the_hash(tmp_path: Path) -> None:
    before = packed(a_working_copy(tmp_path))
    (tmp_path / "flows/risk/train.py").write_text("import risk \n")
    assert packed(tmp_path).sha256 != before.sha256


def test_what_git_ignores_stays_behind(tmp_path: Path) -> None:
    a_working_copy(tmp_path)
    (tmp_path / ".gitignore").write_text("*.csv\n/flows/*/scratch/\n")
    (tmp_path / "flows/risk/.gitignore").write_text("!kept.csv\nsecret.py\n")
    a_tree(
        tmp_path,
        flows__risk__rows_dot_csv="1",
        flows__risk__kept_dot_csv="2",
        flows__risk__secret_dot_py="3",
        flows__risk__scratch__kept_dot_csv="4",
    )
    assert names(tmp_path) == [
        "flows/risk/gate.toml",
        "flows/risk/kept.csv",
        "flows/risk/train.py",
    ]


def test_include_adds_a_shared_folder_and_exclude_leaves_a_file_behind(tmp_path: Path) -> None:
    file = a_working_copy(tmp_path) / "platform.toml"
    file.write_text('[code]\ninclude = ["/shared"]\nexclude = ["gate.toml"]\nceiling = "1Ki"\n')
    rules = read_code_rules(file)
    assert rules == CodeRules(include=("/shared",), exclude=("gate.toml",), ceiling=Memory(1024))
    assert names(tmp_path, rules) == ["flows/risk/train.py", "shared/features.py"]


def test_without_a_platform_toml_the_defaults_hold() -> None:
    assert read_code_rules(None) == CodeRules(include=(), exclude=(), ceiling=Memory(16 * 2**20))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[code]\ninclud = ["a"]\n', 'unknown key "includ".\n  Did you mean "include"?'),
        ('[code]\ninclude = "a"\n', "code.include is 'a'; wanted a list of gitignore patterns."),
        ("code = 1\n", "code is not a table; wanted [code] with include, exclude and ceiling."),
    ],
    ids=["unknown key", "a word for a list", "not a table"],
)
def test_a_wrong_code_table_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "platform.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_code_rules(tmp_path / "platform.toml")
    assert str(caught.value).endswith(says)


def test_a_data_file_in_the_flows_folder_is_found_before_it_travels(tmp_path: Path) -> None:
    (a_working_copy(tmp_path) / "flows/risk/rows.csv").write_bytes(b"0" * 3000)
    with pytest.raises(UsageError, match=r"of which flows/risk/rows.csv is 3,000; wanted at most 2Ki"):
        names(tmp_path, CodeRules(ceiling=Memory(2048)))


def test_a_folder_without_code_is_not_a_package(tmp_path: Path) -> None:
    (tmp_path / "flows/risk").mkdir(parents=True)
    with pytest.raises(NotFound, match="holds no file that would travel"):
        names(tmp_path)


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../outside.py", "../growth"], ids=["away", "up", "folder"])
def test_a_link_out_of_the_tree_or_to_a_folder_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside.py").write_text("")
    root = a_working_copy(tmp_path / "copy")
    (root / "flows/risk/link.py").symlink_to(target)
    with pytest.raises(UsageError, match=r"flows/risk/link.py is a symbolic link to"):
        names(root)


def test_a_link_to_a_file_of_the_tree_travels_as_the_file(tmp_path: Path) -> None:
    root = a_working_copy(tmp_path / "copy")
    (root / "flows/risk/link.py").symlink_to("../../shared/features.py")
    unpack(packed(root).body, packed(root).sha256, tmp_path / "pod")
    assert (tmp_path / "pod/flows/risk/link.py").read_text() == "x = 1\n"
    assert not (tmp_path / "pod/flows/risk/link.py").is_symlink()


def test_what_is_unpacked_is_what_was_packed(tmp_path: Path) -> None:
    root = a_working_copy(tmp_path / "copy")
    (root / "flows/risk" / ("ü" * 120 + ".py")).write_text("long\n")
    package = packed(root)
    unpack(package.body, package.sha256, tmp_path / "pod")
    found = {path.relative_to(tmp_path / "pod"): path.read_text() for path in (tmp_path / "pod").rglob("*.*")}
    assert found == {Path(path): (root / path).read_text() for path in package.files}
    assert package.files[0] == PurePosixPath("flows/risk/gate.toml")


def test_a_package_with_another_hash_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    package = packed(a_working_copy(tmp_path / "copy"))
    damaged = package.body[:-1] + b"!"
    with pytest.raises(CodeRefused, match=f"wanted {package.sha256}") as caught:
        unpack(damaged, package.sha256, tmp_path / "pod")
    assert caught.value.exit_code == 67
    assert not (tmp_path / "pod").exists()


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "a\\..\\evil.py", "."])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    body = an_archive((tarfile.TarInfo("good.py"), b""), (tarfile.TarInfo(name), b"x"))
    assert "wanted paths inside its folder" in refused(body, tmp_path / "pod")
    assert list(tmp_path.rglob("*.py")) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_anything_but_a_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("link.py")
    member.type, member.linkname = kind, "/etc/passwd"
    assert "is not a plain file" in refused(an_archive((member, b"")), tmp_path / "pod")


def test_a_member_that_would_overwrite_another_is_refused(tmp_path: Path) -> None:
    body = an_archive((tarfile.TarInfo("a.py"), b"1"), (tarfile.TarInfo("a.py"), b"2"))
    assert "would overwrite" in refused(body, tmp_path / "pod")


def test_an_archive_of_too_many_files_is_refused_without_unpacking(tmp_path: Path) -> None:
    body = an_archive(*((tarfile.TarInfo(f"{number}"), b"") for number in range(20_001)))
    assert "more than 20000 files" in refused(body, tmp_path / "pod")
    assert not (tmp_path / "pod").exists()


def test_a_member_that_claims_more_than_the_archive_holds_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("bomb.py")
    member.size = 2**40
    assert "the code package" in refused(member.tobuf() + b"\0" * 1024, tmp_path / "pod")
    assert not (tmp_path / "pod").exists()


def test_bytes_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    assert "is not an archive" in refused(b"hello" * 200, tmp_path / "pod")
