"""
Versions of models and the aliases that give them a role, kept in MLflow.

In: the address of MLflow and the channel that asks. Out: versions, found by role or number; aliases that move.

A version is one digest of `form`: registering the same folder again gives the same version, after a crash or beside
another process too. MLflow has no conditional create, so two processes may create two versions of a digest; numbers
are given in order of commit, so whoever holds the higher one sees the lower one and deletes its own. A channel moves
only aliases of its own models. Files are uploaded to a folder that only one attempt uses, and never overwritten.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_cli.errors import NoChampion, NotAllowed, NotFound, UsageError
from platform_cli.models.door import answers_of, artifact_folder, error_code, open_client
from platform_cli.models.form import FILES, Form, load_form, read_files
from platform_cli.models.version import (
    CHALLENGER,
    CHAMPION,
    CODE,
    CONTRACT,
    DATA,
    DIGEST,
    FOLDER,
    PASSED,
    PREVIOUS,
    ROLLED_BACK,
    RUN_KEY,
    Training,
    Version,
    is_role,
    parse_version,
)
from platform_cli.names import Channel, registered_model_name

MOST_CHALLENGERS = 3


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The models of one channel, and a view of all others. Made by `open_registry`."""

    uri: str
    channel: Channel
    client: Any

    def registered_name(self, model: str) -> str:
        """Name this channel's own model in the registry; a full name is kept."""
        return model if "--" in model else registered_model_name(model, self.channel)

    def readable_name(self, model: str) -> str:
        """Name the model that this channel reads: an ad hoc channel without one of its own reads production's."""
        own = self.registered_name(model)
        if own == model or self._model(own) is not None or self._model(model) is None:
            return own
        return model

    # -- what is there ------------------------------------------------------------------------------------------------

    def models(self) -> list[str]:
        """List all registered models, of every channel, by their full names."""
        with answers_of(self.uri):
            return sorted(str(model.name) for model in self.client.search_registered_models())

    def versions(self, model: str) -> list[Version]:
        """List a model's versions, newest first; empty where there is no such model."""
        name = self.readable_name(model)
        return self._search(f"name = '{_quotable(name)}'", self._aliases(name))

    def find(self, model: str, number: int) -> Version:
        """Find one version by its number."""
        for version in self.versions(model):
            if version.number == number:
                return version
        name = self.readable_name(model)
        raise NotFound(f"model {name} has no version {number}", fix=f"See `platform models show {name}`.")

    def roles(self, model: str) -> dict[str, Version]:
        """Resolve the champion and all challengers at once, so that a batch sees one state of the registry."""
        name = self.readable_name(model)
        aliases = self._aliases(name)
        wanted = {alias: number for alias, number in aliases.items() if is_role(alias)}
        if not wanted:
            return {}
        found = {version.number: version for version in self.versions(name)}
        return {alias: found[number] for alias, number in sorted(wanted.items()) if number in found}

    def resolve(self, model: str, role: str = CHAMPION) -> Version:
        """
        Find the version that holds a role now.

        Raises:
            NoChampion: nothing was ever promoted.
            NotFound: no such challenger.
        """
        roles = self.roles(model)
        if role in roles:
            return roles[role]
        name = self.readable_name(model)
        if role != CHAMPION:
            known = ", ".join(roles) or "none"
            raise NotFound(f'model {name} has no "{role}"', wanted=f"one of its roles: {known}")
        newest = next(iter(self.versions(name)), None)
        fix = (
            f"Promote one with `platform models promote {name} --version {newest.number}`."
            if newest
            else "Train one with `platform run flows/riskiness/train.py`."
        )
        raise NoChampion(f"model {name} has no champion", fix=fix)

    def training(self, version: Version) -> Training:
        """Read what its training run logged."""
        with answers_of(self.uri):
            data = self.client.get_run(version.training_run).data
        return Training(params=dict(data.params), metrics=dict(data.metrics))

    # -- registering --------------------------------------------------------------------------------------------------

    def log_training_run(
        self,
        model: str,
        *,
        key: str,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> str:
        """
        Log a training to MLflow, once.

        Args:
            key: names the training; a step that is tried again with the same key gets the same run.
            tags: the data hash and the code identity, at least.
        Returns:
            MLflow's id of the run.
        """
        with answers_of(self.uri):
            experiment = self._experiment(self.registered_name(model))
            found = self.client.search_runs([experiment], f"tags.`{RUN_KEY}` = '{_quotable(key)}'", max_results=1)
            if found and found[0].info.status == "FINISHED":
                return str(found[0].info.run_id)
            run = found[0] if found else self.client.create_run(experiment, tags={RUN_KEY: key}, run_name=key)
            self._log(run.info.run_id, params, metrics, tags)
            self.client.set_terminated(run.info.run_id)
            return str(run.info.run_id)

    def register(self, folder: Path, digest: str, *, challenger: str = "") -> Version:
        """
        Register the model in `folder`, once, and give it a role as challenger.

        Args:
            challenger: name of the role, without `challenger-`; empty for none. A version that passed the gate keeps
                the role it has: a step that is tried again must not make a challenger of the champion.
        Raises:
            ModelRefused: the folder is not what `digest` says.
            NotAllowed: there are three other challengers already.
        """
        form = load_form(folder, digest)
        name = self.registered_name(form.signature.model)
        self._own(name)
        alias = CHALLENGER + challenger if challenger else ""
        if alias:
            self._room_for(name, alias)
        with answers_of(self.uri):
            version = self._with_digest(name, digest) or self._create(name, folder, form)
            if alias and version.verdict != PASSED and alias not in version.aliases:
                self.client.set_registered_model_alias(name, alias, str(version.number))
        return self.find(name, version.number)

    def fetch(self, version: Version, folder: Path) -> Path:
        """
        Put a version's four files into `folder` and compare them with its digest.

        Args:
            folder: made whole or not at all; one that exists is checked and used.
        Raises:
            ModelRefused: a file differs.
        """
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                self._download(version, partial)
                read_files(partial, version.digest)
                _rename(partial, folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        read_files(folder, version.digest)
        return folder

    def _download(self, version: Version, folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch, answers_of(self.uri):
            for file in FILES:
                place = f"{version.tags[FOLDER]}/{file}"
                try:
                    # MLflow chooses where below `scratch` it puts the file.
                    found = self.client.download_artifacts(version.training_run, place, scratch)
                    shutil.copyfile(found, folder / file)
                except FileNotFoundError as error:
                    raise NotFound(
                        f"version {version.number} of {version.model} has lost its file {place}",
                        fix="Train and register the model again.",
                    ) from error

    # -- roles --------------------------------------------------------------------------------------------------------

    def note(self, version: Version, tags: Mapping[str, str]) -> None:
        """Write tags on a version."""
        self._own(version.model)
        with answers_of(self.uri):
            for key, value in tags.items():
                self.client.set_model_version_tag(version.model, str(version.number), key, value)

    def promote(self, version: Version) -> None:
        """Make a version the champion; the one before stays reachable by `rollback`, a challenger's role ends."""
        self._own(version.model)
        before = self.roles(version.model)
        champion = before.get(CHAMPION)
        if champion and champion.number != version.number:
            self.note(version, {PREVIOUS: str(champion.number)})
        with answers_of(self.uri):
            self.client.set_registered_model_alias(version.model, CHAMPION, str(version.number))
        for role, holder in before.items():
            if role != CHAMPION and holder.number == version.number:
                self.retire(version.model, role)

    def retire(self, model: str, role: str) -> None:
        """Take a challenger's role away; the version stays."""
        name = self.readable_name(model)
        self._own(name)
        with answers_of(self.uri):
            self.client.delete_registered_model_alias(name, role)

    def rollback(self, model: str, *, reason: str = "") -> tuple[Version, Version]:
        """
        Give the role of champion back to the one before.

        Returns:
            The version that lost it and the one that has it now.
        Raises:
            NotFound: the champion replaced nobody.
        """
        name = self.readable_name(model)
        self._own(name)
        champion = self.resolve(name)
        if PREVIOUS not in champion.tags:
            raise NotFound(
                f"version {champion.number} of {name} is its first champion; there is none to go back to",
                fix=f"Promote another with `platform models promote {name} --version N`.",
            )
        previous = self.find(name, int(champion.tags[PREVIOUS]))
        self.note(champion, {ROLLED_BACK: reason or f"to version {previous.number}"})
        with answers_of(self.uri):
            self.client.set_registered_model_alias(name, CHAMPION, str(previous.number))
        return champion, self.find(name, previous.number)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _own(self, name: str) -> None:
        """Only the channel's own models may be changed: their full name is the one that the channel gives them."""
        plain = name.partition("--")[0]
        if name != registered_model_name(plain, self.channel):
            raise NotAllowed(
                f'channel {self.channel} may not change model "{name}"',
                wanted=f'its own "{registered_model_name(plain, self.channel)}"',
                fix="Production's models change by runs of deployed templates and by its operators.",
            )

    def _model(self, name: str) -> Any:
        with answers_of(self.uri):
            try:
                return self.client.get_registered_model(name)
            except Exception as error:
                if error_code(error) == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise

    def _aliases(self, name: str) -> dict[str, int]:
        model = self._model(name)
        return {alias: int(number) for alias, number in model.aliases.items()} if model else {}

    def _search(self, condition: str, aliases: Mapping[str, int]) -> list[Version]:
        found: list[Any] = []
        token = None
        with answers_of(self.uri):
            while token is not None or not found:
                page = self.client.search_model_versions(condition, max_results=1000, page_token=token)
                found += page
                token = page.token
                if not token:
                    break
        versions = [parse_version(each, aliases) for each in found if DIGEST in each.tags]
        return sorted(versions, key=lambda version: -version.number)

    def _with_digest(self, name: str, digest: str) -> Version | None:
        condition = f"name = '{_quotable(name)}' and tags.`{DIGEST}` = '{digest}'"
        same = self._search(condition, self._aliases(name))
        return same[-1] if same else None

    def _create(self, name: str, folder: Path, form: Form) -> Version:
        try:
            self.client.create_registered_model(name)
        except Exception as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise
        signature = form.signature
        run = self.client.get_run(signature.training_run)
        place = f"forms/{form.digest[:12]}-{uuid.uuid4().hex[:8]}"
        for file in FILES:
            self.client.log_artifact(signature.training_run, str(folder / file), place)
        tags = {DIGEST: form.digest, FOLDER: place, CONTRACT: signature.contract}
        tags |= {DATA: signature.data, CODE: signature.code}
        source = f"{run.info.artifact_uri}/{place}"
        created = self.client.create_model_version(
            name, source, run_id=signature.training_run, tags=tags, await_creation_for=0
        )
        first = self._with_digest(name, form.digest)
        if first is None or first.number == int(created.version):
            return parse_version(created, {})
        self.client.delete_model_version(name, created.version)
        return first

    def _room_for(self, name: str, alias: str) -> None:
        if not alias.removeprefix(CHALLENGER).replace("-", "").isalnum():
            raise UsageError(f'challenger is "{alias.removeprefix(CHALLENGER)}"', wanted="letters, digits and hyphens")
        others = sorted(role for role in self._aliases(name) if role.startswith(CHALLENGER) and role != alias)
        if len(others) >= MOST_CHALLENGERS:
            raise NotAllowed(
                f"model {name} has {len(others)} challengers already: {', '.join(others)}",
                wanted=f"at most {MOST_CHALLENGERS}",
                fix="Register under one of these names, which it then takes over, or promote one of them.",
            )

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self.client.create_experiment(name, artifact_location=artifact_folder(self.uri)))
            except Exception as error:
                if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id)

    def _log(
        self, run: str, params: Mapping[str, object], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self.client.log_batch(
            run,
            metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )


def open_registry(uri: str, channel: Channel) -> Registry:
    """
    Connect to the model registry.

    Args:
        uri: `sqlite:///<file>`, which needs no server, or the address of an MLflow server.
        channel: whose models may be changed.
    Raises:
        Unreachable: nothing answers, within 30 s.
    """
    return Registry(uri=uri, channel=channel, client=open_client(uri))


def _quotable(text: str) -> str:
    if "'" in text or "\\" in text:
        raise UsageError(f"name is {json.dumps(text)}", wanted="no quotes and no backslashes")
    return text


def _rename(partial: Path, folder: Path) -> None:
    try:
        os.rename(partial, folder)  # noqa: PTH104  # Path.rename would do the same; both fail when the folder exists
    except OSError:
        # Another process was first; what it fetched is checked like ours.
        if not folder.is_dir():
            raise
