import json

from trainers.metrics_file import MetricsFile, read_metrics


def test_a_new_run_forgets_old_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n')
    MetricsFile(path, None).close()
    assert read_metrics(path) == []


def test_a_resumed_run_drops_the_steps_that_it_takes_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = MetricsFile(path, None)
    for step in range(6):
        first.append(step, {"loss": float(step)})
    first.close()
    second = MetricsFile(path, resumed_at=3)
    assert [line["step"] for line in read_metrics(path)] == [0, 1, 2, 3]
    second.append(4, {"loss": 9.0})
    assert [line["loss"] for line in read_metrics(path)] == [0, 1, 2, 3, 9]


def test_a_line_cut_by_a_kill_is_no_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0, "loss": 1.0}\n{"step": 1, "lo')
    assert [line["step"] for line in read_metrics(path)] == [0]
    MetricsFile(path, resumed_at=1).close()
    assert path.read_text() == '{"step": 0, "loss": 1.0}\n'


def test_a_line_can_be_read_as_soon_as_it_is_written(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl", None)
    file.append(1, {"loss": 0.5})
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 1, "loss": 0.5}
    file.close()


def test_no_file_has_no_lines(tmp_path):
    assert read_metrics(tmp_path / "missing.jsonl") == []
