import os

import pytest
from toy_run import single_rank, train_here, write_data
from toy_run import stage_run as build_run


@pytest.fixture(scope="session")
def one_rank(tmp_path_factory):
    """This process as the one rank of a process group; a compiled extension would be found in its folder."""
    from trainers.strategies.deepspeed import join_process_group, leave_process_group

    extensions = tmp_path_factory.mktemp("extensions")
    before = dict(os.environ)
    os.environ.update(single_rank() | {"TORCH_EXTENSIONS_DIR": str(extensions)})
    yield join_process_group()
    leave_process_group()
    os.environ.clear()
    os.environ.update(before)
    assert not list(extensions.iterdir()), "something was compiled just in time"


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory):
    """A folder with caches and a mixture."""
    folder = tmp_path_factory.mktemp("toy")
    write_data(folder)
    return folder


@pytest.fixture(scope="session")
def pretrained(one_rank, toy_data, tmp_path_factory):
    """The final folder of a toy pre-training."""
    output = tmp_path_factory.mktemp("pretrained")
    assert train_here(build_run(toy_data, "pretrain", output))
    return output / "final"
