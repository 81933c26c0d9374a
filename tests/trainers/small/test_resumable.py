import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainers.small.resumable import CHECKPOINT, Optimization, train_resumably

SETTINGS = Optimization(
    steps=12, learning_rate=0.05, warmup_steps=3, weight_decay=0.01, checkpoint_every=4, threads=1
)


class KilledError(Exception):
    pass


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1))


def train(folder: Path, *, identity="same", die_at=None, progress=lambda *_: None):
    model = network()

    def loss_of(step):
        if step == die_at:
            raise KilledError
        generator = torch.Generator().manual_seed(step)
        inputs = torch.randn(16, 3, generator=generator)
        return (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()

    losses = train_resumably(
        model,
        loss_of,
        SETTINGS,
        folder=folder,
        identity=identity,
        what="test",
        progress=progress,
    )
    return model.state_dict(), losses


def test_a_killed_run_ends_in_the_same_bits_as_an_undisturbed_one(tmp_path):
    whole, _ = train(tmp_path / "whole")
    with pytest.raises(KilledError):
        train(tmp_path / "killed", die_at=10)
    resumed, losses = train(tmp_path / "killed")
    assert len(losses) == 4  # went on from the checkpoint at step 8
    assert all(whole[name].equal(resumed[name]) for name in whole)


def test_a_checkpoint_of_other_data_or_settings_is_not_used(tmp_path):
    with pytest.raises(KilledError):
        train(tmp_path, die_at=10)
    _, losses = train(tmp_path, identity="other")
    assert len(losses) == 12


def test_the_loss_falls(tmp_path):
    _, losses = train(tmp_path)
    assert losses[-1] < 0.5 * losses[0]


def test_a_half_written_checkpoint_is_never_read(tmp_path):
    (tmp_path / CHECKPOINT).with_suffix(".tmp").write_bytes(b"half")
    _, losses = train(tmp_path)
    assert len(losses) == 12


def test_the_rate_warms_up_and_ends_near_zero():
    rates = [SETTINGS.rate(step) for step in range(12)]
    assert rates[0] == pytest.approx(0.05 / 3)
    assert max(rates) <= 0.05
    assert rates[-1] < 0.002


def test_the_callers_thread_count_is_left_as_it_was(tmp_path):
    before = torch.get_num_threads()
    train(tmp_path)
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_a_process_killed_outright_leaves_a_checkpoint_that_ends_in_the_same_bits(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import tests.trainers.small.test_resumable as here\n"
        "def progress(what, done, total):\n"
        "    if done == 10: os.kill(os.getpid(), signal.SIGKILL)\n"
        "here.train(Path(sys.argv[1]), progress=progress)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "killed")]
    killed = subprocess.run(
        command, cwd=Path(__file__).parents[3], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert killed.returncode == -signal.SIGKILL
    resumed, losses = train(tmp_path / "killed")
    whole, _ = train(tmp_path / "whole")
    assert len(losses) == 4
    assert all(whole[name].equal(resumed[name]) for name in whole)
