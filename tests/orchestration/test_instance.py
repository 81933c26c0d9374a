import pytest

from orchestration.instance import UnusablePathError, open_instance


@pytest.mark.parametrize("name", ["x?y=1", "50%", "a%20b"])
def test_a_path_that_dagster_cannot_open_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(UnusablePathError, match="Move the home"):
        open_instance(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
