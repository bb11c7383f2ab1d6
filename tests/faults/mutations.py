"""
Which line of the product each fault test is there for: remove the line, and the test must turn red.

To add one: the file, a text that occurs in it exactly once, what takes its place, and the test that must notice.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One safeguard taken out of a copy of the product."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        name="If-None-Match",
        file="platform_cli/store/s3.py",
        old='                IfNoneMatch="*",\n',
        new="",
        test="tests/faults/test_s3_faults.py::test_of_two_creates_at_once_the_second_is_refused_by_the_server",
    ),
    Mutation(
        name="link that refuses an existing name",
        file="platform_cli/store/folder.py",
        old="        os.link(hidden, path)\n",
        new="        os.rename(hidden, path)\n",
        test="tests/unit/store/test_stores.py::test_of_many_creates_of_one_key_at_once_one_succeeds[folder]",
    ),
    Mutation(
        name="hash check of parts",
        file="platform_cli/publication/gates.py",
        old="    if found != part.sha256:\n",
        new="    if False:\n",
        test="tests/unit/publication/test_gates.py::test_a_part_with_other_bytes_than_were_written_is_refused",
    ),
    Mutation(
        name="comparison of the nonce",
        file="platform_cli/publication/commit.py",
        old="    if landed.nonce == manifest.nonce:\n",
        new="    if True:\n",
        test="tests/faults/test_s3_faults.py::test_an_unanswered_commit_that_lost_to_another_run_is_not_taken_for_ours",
    ),
    Mutation(
        name="reading back after an unclear answer",
        file="platform_cli/publication/commit.py",
        old="        landed = _read_back(store, key, error)\n",
        new="        raise error\n",
        test=(
            "tests/faults/test_s3_faults.py::"
            "test_a_commit_that_was_stored_but_not_answered_is_found_and_not_written_again[drop]"
        ),
    ),
    Mutation(
        name="sending a create once",
        file="platform_cli/store/s3.py",
        old='"total_max_attempts": 1',
        new='"total_max_attempts": 3',
        test=(
            "tests/faults/test_s3_faults.py::"
            "test_a_commit_that_was_stored_but_not_answered_is_found_and_not_written_again[503-after]"
        ),
    ),
    Mutation(
        name="the hash of the manifest before",
        file="platform_cli/publication/chain.py",
        old="        if manifest.previous != before:\n",
        new="        if False:\n",
        test="tests/unit/publication/test_publish.py::test_a_chain_whose_first_manifest_was_changed_is_not_believed",
    ),
    Mutation(
        name="sync before the name is given",
        file="platform_cli/store/folder.py",
        old="                    os.fsync(file.fileno())\n",
        new="",
        test="tests/unit/store/test_folder_store.py::test_file_and_folders_are_synced_before_a_create_returns",
    ),
    Mutation(
        name="hash check of models",
        file="platform_cli/models/form.py",
        old="    if digest_of(hashes) != expected_digest:\n",
        new="    if False:\n",
        test="tests/unit/models/test_form.py::test_any_flipped_bit_of_any_file_is_refused[reference.json]",
    ),
    Mutation(
        name="null bound",
        file="platform_cli/scoring/checks.py",
        old='        if seen.counts["null"] > column.max_null_rate * self.rows:\n',
        new="        if False:\n",
        test=(
            "tests/unit/scoring/test_bad_input.py::"
            "test_a_breach_names_file_column_and_count_and_stores_nothing[nulls above the rate-.parquet]"
        ),
    ),
)
