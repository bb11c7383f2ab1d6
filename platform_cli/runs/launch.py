"""
Run a flow's file on this machine, whatever its decorators say about clusters.

In: the flow's file in the variable `_PLATFORM_FLOW`, Metaflow's own words in argv. Out: what the flow does.

Metaflow refuses a flow with a static @kubernetes or @batch on the local datastore, and offers no setting against it
(metaflow issue 2588). So the two decorators are made to do nothing, then the file runs in the real `__main__`: Metaflow
pickles some of its own types as members of it. Tasks and cards are started as `python <this file> ...`, so they pass
here again.
"""

import os
import sys
from pathlib import Path

FLOW_VARIABLE = "_PLATFORM_FLOW"


def stay_on_this_machine() -> None:
    """Give the decorators that send steps away the hooks of a decorator that does nothing."""
    from metaflow.decorators import StepDecorator
    from metaflow.plugins.aws.batch.batch_decorator import BatchDecorator
    from metaflow.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator

    for kind in (BatchDecorator, KubernetesDecorator):
        # `init` stays: it only checks the attributes, and a wrong one should be heard of on a laptop too.
        for hook in set(vars(kind)) & set(vars(StepDecorator)) - {"init"}:
            if callable(getattr(StepDecorator, hook)) and not hook.startswith("__"):
                setattr(kind, hook, getattr(StepDecorator, hook))


def keep_cards_beside_records() -> None:
    """Write cards where Metaflow's own client looks for them, whatever the current folder is."""
    from metaflow.plugins.cards.card_datastore import CardDatastore

    # Metaflow derives this from the current folder, and from METAFLOW_CARD_LOCALROOT it makes nothing at all.
    folder = os.path.join(os.environ["METAFLOW_DATASTORE_SYSROOT_LOCAL"], ".metaflow", "mf.cards")  # noqa: PTH118
    CardDatastore.get_storage_root = classmethod(lambda _class, _kind: folder)


def run_in_main(file: Path, own_names: frozenset[str]) -> None:
    """Run the file as `python FILE` would: nothing of this module in its names."""
    code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    names = sys.modules["__main__"].__dict__
    # Only these: Metaflow has put types of its own there by now.
    for name in own_names:
        del names[name]
    names.update(__file__=str(file), __doc__=None)
    exec(code, names)  # noqa: S102 the user's own flow, on the user's own machine


if __name__ == "__main__":
    _OWN_NAMES = frozenset(name for name in globals() if not name.startswith("__"))
    _FLOW = Path(os.environ[FLOW_VARIABLE])
    # First of all: this module's own folder holds names that a flow may mean otherwise.
    sys.path[0] = str(_FLOW.parent)
    stay_on_this_machine()
    if "card" in sys.argv:
        keep_cards_beside_records()
    run_in_main(_FLOW, _OWN_NAMES | {"_OWN_NAMES", "_FLOW"})
