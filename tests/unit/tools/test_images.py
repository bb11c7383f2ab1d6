"""Images are named after their contents, and an archive holds what Docker and containerd expect of one."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tools import catalogue, images
from tools.archive import Config, Entry, write_image, write_layer
from tools.catalogue import control_plane_images, platform_images
from tools.kind_node import FILES
from tools.pins import Family, read_families
from tools.rootfs import SLIM

FAMILIES = read_families(Path(__file__).resolve().parents[3] / "tools")


def bumped(name: str) -> dict[str, Family]:
    """The families, with one as if its pin had changed."""
    return {**FAMILIES, name: replace(FAMILIES[name], key="another")}


def changed_by(families: dict[str, Family]) -> set[str]:
    """The names of the images that have another tag now."""
    before, after = images.references(FAMILIES), images.references(families)
    return {name for name in before if before[name] != after[name]}


def test_these_are_the_images_and_each_tag_says_the_version() -> None:
    references = images.references(FAMILIES)
    assert {name: reference.rsplit("-", 1)[0] for name, reference in references.items()} == {
        "kind-node": "platform/kind-node:v1.34.4",
        "argo-controller": "platform/argo-controller:v4.0.2",
        "argoexec": "platform/argoexec:v4.0.2",
        "argo-server": "platform/argo-server:v4.0.2",
        "versitygw": "platform/versitygw:v1.8.0",
        "prometheus": "platform/prometheus:v0.316.0",
        "pushgateway": "platform/pushgateway:v1.11.3",
        "postgres": "platform/postgres:15",
        "python-base": "platform/python-base:3.11",
    }


@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ("versitygw", {"versitygw", "kind-node"}),
        ("argo", {"argo-controller", "argoexec", "argo-server", "kind-node"}),
        ("kubernetes", {"kind-node"}),
        ("kind", {"kind-node"}),
        ("own", {"kind-node"}),
        ("helm", set()),
    ],
)
def test_another_pin_is_another_tag_for_the_images_that_hold_it(family: str, changed: set[str]) -> None:
    assert changed_by(bumped(family)) == changed


def test_another_recipe_is_another_tag_for_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = images.references(FAMILIES)
    monkeypatch.setattr(catalogue, "RECIPE", "another")
    after = images.references(FAMILIES)
    assert all(before[name] != after[name] for name in before if name != "kind-node")


def test_a_root_file_system_is_named_after_its_packages() -> None:
    assert replace(SLIM, packages=("kmod",)).key != SLIM.key
    assert replace(SLIM, after=("true",)).key != SLIM.key


def test_no_image_runs_as_root_but_the_executor_that_takes_its_pods_user() -> None:
    users = {image.name: image.config.user for image in platform_images(FAMILIES)}
    assert {name for name, user in users.items() if not user} == {"argoexec", "python-base"}
    assert all(user.split(":")[0].isdigit() for user in users.values() if user)


def test_containerd_asks_for_the_pause_image_that_the_node_holds() -> None:
    pause = next(image.reference for image in control_plane_images(FAMILIES) if image.name == "pause")
    assert f'sandbox_image = "{pause}"' in (FILES / "files/etc/containerd/config.toml").read_text()


def test_the_storage_class_names_images_that_the_node_holds() -> None:
    manifest = (FILES / "files/kind/manifests/default-storage.yaml").read_text()
    named = {line.split("image: ")[1] for line in manifest.splitlines() if " image: " in line}
    assert named == {"platform/local-path-provisioner:node", "platform/slim:node"}
    assert named <= {image.reference for image in control_plane_images(FAMILIES)}


def test_an_unknown_image_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match="no image is called redis; there are kind-node, argo-controller"):
        images.build_images(FAMILIES, ["redis"])


def test_the_list_needs_no_daemon(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    images.main(["--list"])
    assert json.loads(capsys.readouterr().out) == images.references(FAMILIES)


def test_a_new_image_replaces_those_of_its_name_and_no_others() -> None:
    present = ["platform/kind-node:v1-a", "platform/kind-node:v1-b", "platform/kind:v1-a", "other/kind-node:v1-a"]
    assert images.outdated("platform/kind-node:v1-b", present) == ["platform/kind-node:v1-a"]


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer with one program and a folder for temporary files."""
    (tmp_path / "program").write_bytes(b"\x7fELF")
    program = Entry(content=tmp_path / "program", mode=0o755)
    write_layer(tmp_path / "layer.tar", {"usr/bin/run": program, "etc/motd": Entry(content=b"hi")}, {"tmp": 0o1777})
    return tmp_path / "layer.tar"


def test_a_layer_holds_files_and_every_folder_above_them_with_their_modes(layer: Path) -> None:
    with tarfile.open(layer) as read:
        assert {member.name: (member.mode, member.isdir(), member.mtime) for member in read} == {
            "etc": (0o755, True, 0),
            "tmp": (0o1777, True, 0),
            "usr": (0o755, True, 0),
            "usr/bin": (0o755, True, 0),
            "etc/motd": (0o644, False, 0),
            "usr/bin/run": (0o755, False, 0),
        }


def test_an_archive_names_its_image_its_config_and_its_layers(layer: Path) -> None:
    out = io.BytesIO()
    config = Config(entrypoint=("/usr/bin/run",), user="1:1", environment={"A": "b"}, stop_signal="SIGINT")
    write_image(out, "platform/thing:1", [layer], config)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    (manifest,) = json.loads(content["manifest.json"])
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    assert manifest["RepoTags"] == ["platform/thing:1"]
    assert manifest["Layers"] == [f"{digest}/layer.tar"]
    assert manifest["Config"] == hashlib.sha256(content[manifest["Config"]]).hexdigest() + ".json"
    said = json.loads(content[manifest["Config"]])
    assert said["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    assert said["config"] == {
        "Entrypoint": ["/usr/bin/run"],
        "User": "1:1",
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=b"],
        "StopSignal": "SIGINT",
    }
    assert content[f"{digest}/layer.tar"] == layer.read_bytes()


def test_the_same_parts_make_the_same_archive(layer: Path) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    write_image(first, "platform/thing:1", [layer], Config())
    write_image(second, "platform/thing:1", [layer], Config())
    assert first.getvalue() == second.getvalue()
