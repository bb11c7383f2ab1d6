"""
Make this checkout importable and its commands runnable in the virtual environment that runs this file.

In: pyproject.toml's [project.scripts]. Out: a .pth file and one small script each.
An editable install would do the same after downloading and running a build backend; `make` on a bare machine need not.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
site = Path(sysconfig.get_path("purelib"))
(site / "platform_cli.pth").write_text(f"{ROOT}\n")
for name, target in project["scripts"].items():
    module, function = target.split(":")
    script = Path(sysconfig.get_path("scripts")) / name
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    script.chmod(0o755)
