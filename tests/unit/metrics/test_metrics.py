"""What flows emit: names from the table alone, whole files, and never a word that stops a batch."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from platform_cli import metrics
from platform_cli.errors import PlatformError, Unreachable
from platform_cli.metrics import pushgateway, textfile
from platform_cli.metrics.samples import Sample, UnknownSignal, samples_of

ROWS = "platform_batch_rows_in"
PHASES = "platform_batch_phase_duration_seconds"
VERSIONS = "platform_batch_model_version_info"


class Gateway(http.server.BaseHTTPRequestHandler):
    """The part of a Pushgateway that a push sees."""

    seen: ClassVar[list[tuple[str, str, str]]]
    address: ClassVar[str]
    answer: ClassVar[int] = 202

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        type(self).seen.append((self.command, self.path, body))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[type[Gateway]]:
    class Handler(Gateway):
        seen: ClassVar[list[tuple[str, str, str]]] = []

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.address = f"http://127.0.0.1:{server.server_port}"
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_flow_leaves_one_text_file_that_prometheus_reads(tmp_path: Path) -> None:
    metrics.emit_to(str(tmp_path), "riskiness-score", {ROWS: 30000, PHASES: {"publish": 0.5}})
    assert (tmp_path / "riskiness-score.prom").read_text() == (
        "# HELP platform_batch_phase_duration_seconds Wall time of one phase of the batch.\n"
        "# TYPE platform_batch_phase_duration_seconds gauge\n"
        'platform_batch_phase_duration_seconds{flow="riskiness-score",phase="publish"} 0.5\n'
        "# HELP platform_batch_rows_in Customers in the day's snapshot.\n"
        "# TYPE platform_batch_rows_in gauge\n"
        'platform_batch_rows_in{flow="riskiness-score"} 30000.0\n'
    )


def test_a_retry_replaces_the_signals_it_names_and_keeps_the_others(tmp_path: Path) -> None:
    metrics.emit_to(str(tmp_path), "f", {ROWS: 1, PHASES: {"read": 1, "score": 2}})
    metrics.emit_to(str(tmp_path), "f", {PHASES: {"score": 3}})
    assert textfile.read(str(tmp_path)) == [
        Sample(signal=PHASES, labels=(("flow", "f"), ("phase", "score")), value=3.0),
        Sample(signal=ROWS, labels=(("flow", "f"),), value=1.0),
    ]


def test_branches_that_emit_at_once_keep_each_others_signals(tmp_path: Path) -> None:
    names = [ROWS, "platform_batch_rows_scored", "platform_batch_input_bytes", "platform_batch_score_drift_psi"]
    threads = [
        threading.Thread(target=textfile.write, args=(str(tmp_path), "f", samples_of("f", {name: 1}))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {sample.signal for sample in textfile.read(str(tmp_path))} == set(names)


def test_several_labels_are_given_as_a_tuple() -> None:
    assert samples_of("f", {VERSIONS: {("champion", "3"): 1}}) == [
        Sample(signal=VERSIONS, labels=(("flow", "f"), ("role", "champion"), ("version", "3")), value=1.0)
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"platform_batch_row_in": 1}, 'Did you mean "platform_batch_rows_in"', id="a-name-not-in-the-table"
        ),
        pytest.param({PHASES: 1}, "wanted one for each of flow, phase", id="a-missing-label"),
        pytest.param({ROWS: {"x": 1}}, "wanted one for each of flow", id="a-label-too-many"),
        pytest.param({ROWS: float("nan")}, "wanted a finite number", id="not-a-number"),
    ],
)
def test_what_the_table_does_not_have_is_a_warning_and_so_an_error_in_tests(
    tmp_path: Path, values: dict[str, object], message: str
) -> None:
    with pytest.raises(UnknownSignal, match=message):
        samples_of("f", values)
    with pytest.warns(UserWarning, match=message):
        metrics.emit_to(str(tmp_path), "f", {**values, "platform_batch_rows_scored": 7})
    assert [sample.signal for sample in textfile.read(str(tmp_path))] == ["platform_batch_rows_scored"]


def test_flows_emit_to_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_METRICS", str(tmp_path / "here"))
    metrics.emit("f", {ROWS: 5})
    assert (tmp_path / "here" / "f.prom").is_file()


def test_settings_that_cannot_be_read_leave_one_line_and_a_running_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLATFORM_METRIC", "typo")
    metrics.emit("f", {ROWS: 5})
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_written_leaves_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    metrics.emit_to(str(tmp_path / "file"), "f", {ROWS: 1})
    error = capsys.readouterr().err
    assert error.startswith(f"metrics: cannot write to {tmp_path / 'file'}: ")
    assert error.count("\n") == 1


def test_a_push_posts_to_the_flows_own_group_so_that_a_retry_replaces(gateway: type[Gateway]) -> None:
    metrics.emit_to(gateway.address, "riskiness-score", {ROWS: 2})
    [(method, path, body)] = gateway.seen
    assert (method, path) == ("POST", "/metrics/job/platform/flow/riskiness-score")
    assert 'platform_batch_rows_in{flow="riskiness-score"} 2.0' in body


def test_a_gateway_that_refuses_leaves_one_line(gateway: type[Gateway], capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = 500
    metrics.emit_to(gateway.address, "f", {ROWS: 2})
    assert capsys.readouterr().err == (
        f"metrics: cannot write to {gateway.address}: HTTP Error 500: Internal Server Error; "
        "the run goes on without them\n"
    )


def test_a_gateway_that_never_answers_does_not_hold_the_batch(capsys: pytest.CaptureFixture[str]) -> None:
    # A server that accepts and says nothing: without a patience of its own, this call would never return.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        metrics.emit_to(address, "f", {ROWS: 2})
    assert capsys.readouterr().err == f"metrics: cannot write to {address}: timed out; the run goes on without them\n"


def test_a_gateway_that_answers_byte_by_byte_does_not_hold_the_batch(capsys: pytest.CaptureFixture[str]) -> None:
    # Each byte comes within the patience of a socket, all of them never: only the caller's own patience ends this.
    done = threading.Event()

    def trickle(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            while not done.wait(0.1):
                connection.send(b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        gateway = threading.Thread(target=trickle, args=(server,))
        gateway.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        metrics.emit_to(address, "f", {ROWS: 2})
        done.set()
        gateway.join()
    assert capsys.readouterr().err == f"metrics: {address} did not answer in 0.8 s; the run goes on without them\n"


def test_reading_names_a_damaged_file_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "f.prom").write_text("platform_batch_rows_in{flow= nonsense\n")
    with pytest.raises(PlatformError, match=r"f\.prom is not in Prometheus' text format") as caught:
        textfile.read(str(tmp_path))
    assert "rm " in caught.value.fix


def test_a_damaged_file_does_not_stop_the_next_run_from_writing(tmp_path: Path) -> None:
    (tmp_path / "f.prom").write_text("platform_batch_rows_in{flow= nonsense\n")
    metrics.emit_to(str(tmp_path), "f", {ROWS: 1})
    assert [sample.value for sample in textfile.read(str(tmp_path))] == [1.0]


def test_no_gateway_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match="no Pushgateway answers"):
        pushgateway.read(f"http://127.0.0.1:{port}")


def test_no_draft_is_left_beside_the_file(tmp_path: Path) -> None:
    metrics.emit_to(str(tmp_path), "f", {ROWS: 1})
    assert sorted(file.name for file in tmp_path.iterdir()) == [".f.lock", "f.prom"]
