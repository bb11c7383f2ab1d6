"""
Say which images there are and what each is made of.

In: the pinned families of tools. Out: images, each with a name whose tag carries a key of all that is in it.

Images of the control plane keep the names that kubeadm asks for; they only ever live inside the node image.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from tools.archive import PATH, Config
from tools.compile import home_of
from tools.pins import TOOLS, Family, key_of, tools_of
from tools.rootfs import POSTGRES, PYTHON, SLIM, Rootfs

ROOT_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
RECIPE = "1"
"""Part of every key: raise it when images.py, kind_node.py or archive.py make something else from the same parts."""

NOBODY = "65532:65532"


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image: a root file system or none, programs of ours, and how it is run."""

    name: str
    config: Config
    reference: str = ""
    """Name and tag."""
    rootfs: Rootfs | None = None
    programs: tuple[str, ...] = ()
    """Tools that lie in /usr/local/bin."""
    files: dict[str, Path] = field(default_factory=dict)
    """Programs of this repository and where they lie in the image."""


def platform_images(families: dict[str, Family]) -> list[Image]:
    """Return the images that run on the platform, for which a registry would be asked elsewhere."""
    return [
        _static(families, "argo-controller", "workflow-controller"),
        # as in Argo's own image no user: the executor runs as the user of the pod that it serves
        _static(families, "argoexec", "argoexec", user=""),
        _static(families, "argo-server", "argo"),
        _static(families, "versitygw", "versitygw"),
        _static(families, "prometheus", "prometheus"),
        _static(families, "pushgateway", "pushgateway"),
        _tagged(families, "15", _POSTGRES),
        _tagged(families, "3.11", Image(name="python-base", rootfs=PYTHON, config=Config(command=("python3",)))),
    ]


def control_plane_images(families: dict[str, Family]) -> list[Image]:
    """Return what kubeadm wants to find on the node, under the names it asks for, and the storage class's two."""
    version = families["kubernetes"].version
    upstream = "registry.k8s.io"
    plain = [
        *(
            (f"{upstream}/{name}:{version}", name)
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        ),
        (f"{upstream}/etcd:{_etcd_tag(families)}", "etcd"),
    ]
    return [
        *(Image(name=tool, reference=reference, programs=(tool,), config=Config()) for reference, tool in plain),
        Image(
            name="kube-proxy",
            reference=f"{upstream}/kube-proxy:{version}",
            rootfs=SLIM,
            programs=("kube-proxy",),
            config=Config(),
        ),
        _started(f"{upstream}/coredns/coredns:{families['coredns'].version}", "coredns"),
        # the tag is kubeadm's; node/files/etc/containerd/config.toml says it too
        _started(f"{upstream}/pause:3.10.1", "pause", user="65535:65535"),
        _started("platform/local-path-provisioner:node", "local-path-provisioner"),
        Image(name="slim", reference="platform/slim:node", rootfs=SLIM, config=Config()),
    ]


def key_of_image(image: Image, families: dict[str, Family]) -> str:
    """Name everything that decides what is in an image."""
    owners = tools_of(families)
    return key_of(
        *(RECIPE, image.name, repr(image.config), image.rootfs.key if image.rootfs else ""),
        *(home_of(owners[tool]).name for tool in image.programs),
        *(part for path, file in sorted(image.files.items()) for part in (path, file.read_bytes())),
    )


_POSTGRES = Image(
    name="postgres",
    rootfs=POSTGRES,
    files={"usr/local/bin/entrypoint.sh": TOOLS / "postgres" / "entrypoint.sh"},
    config=Config(
        entrypoint=("/usr/local/bin/entrypoint.sh",),
        user="999:999",
        environment={
            "PATH": f"/usr/lib/postgresql/15/bin:{PATH}",
            "PGDATA": "/var/lib/postgresql/data/pgdata",
            "PGHOST": "/tmp",  # noqa: S108 # where the entrypoint puts the socket
            "LANG": "C.UTF-8",
        },
        # the usual one, SIGTERM, waits until the last client has gone
        stop_signal="SIGINT",
    ),
)


def _static(families: dict[str, Family], name: str, tool: str, user: str = NOBODY) -> Image:
    """Describe one static program on nothing."""
    config = Config(entrypoint=(f"/usr/local/bin/{tool}",), user=user)
    return _tagged(families, tools_of(families)[tool].version, Image(name=name, programs=(tool,), config=config))


def _started(reference: str, tool: str, user: str = "") -> Image:
    config = Config(entrypoint=(f"/usr/local/bin/{tool}",), user=user)
    return Image(name=tool, reference=reference, programs=(tool,), config=config)


def _tagged(families: dict[str, Family], version: str, image: Image) -> Image:
    return replace(image, reference=f"platform/{image.name}:{version}-{key_of_image(image, families)[:12]}")


def _etcd_tag(families: dict[str, Family]) -> str:
    """Return kubeadm's name for the release: its number and the build of the image."""
    return families["etcd"].requirements["go.etcd.io/etcd/server/v3"].removeprefix("v") + "-0"
