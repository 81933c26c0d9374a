import subprocess
import sys

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from trainers.data.cache import (
    INDEX_NAME,
    MIXTURE,
    PREFERENCES,
    CacheError,
    TensorCache,
    read_cache_table,
    read_index,
    write_cache_table,
    write_index,
    write_tensors,
)


def test_tensors_come_back_as_they_were_written(tmp_path):
    tensors = {"b": torch.randn(3, 4), "a": torch.randn(2, 5).to(torch.float16), "c": torch.zeros(1)}
    write_tensors(tmp_path, {"a": tensors["a"]}, shard="one.safetensors")
    write_tensors(tmp_path, {"b": tensors["b"].T, "c": tensors["c"]}, shard="two.safetensors")
    write_index(tmp_path, [("b", "two.safetensors", "b"), ("a", "one.safetensors", "a")])
    cache = TensorCache(tmp_path)
    assert torch.equal(cache.get("a"), tensors["a"])
    assert cache.get("a").dtype == torch.float16
    assert torch.equal(cache.get("b"), tensors["b"].T)
    assert "c" not in cache, "the index alone makes a tensor visible"


def test_several_keys_may_share_a_tensor(tmp_path):
    write_tensors(tmp_path, {"shared": torch.arange(3)}, shard="s.safetensors")
    write_index(tmp_path, [(key, "s.safetensors", "shared") for key in ("x", "y")])
    cache = TensorCache(tmp_path)
    assert torch.equal(cache.get("x"), cache.get("y"))


def test_equal_tensors_give_equal_bytes_in_any_order(tmp_path):
    one, two = torch.randn(4), torch.randn(2, 2)
    first = write_tensors(tmp_path / "1", {"one": one, "two": two}, shard="s").read_bytes()
    second = write_tensors(tmp_path / "2", {"two": two, "one": one}, shard="s").read_bytes()
    assert first == second
    entries = [("one", "s", "one"), ("two", "s", "two")]
    index = write_index(tmp_path / "1", entries).read_bytes()
    assert index == write_index(tmp_path / "2", entries[::-1]).read_bytes()


def test_a_write_leaves_nothing_but_its_file(tmp_path):
    write_tensors(tmp_path, {"a": torch.zeros(1)}, shard="s.safetensors")
    write_index(tmp_path, [("a", "s.safetensors", "a")])
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX_NAME, "s.safetensors"]


def test_a_missing_key_says_which_cache_lacks_it(tmp_path):
    write_index(tmp_path, [])
    with pytest.raises(CacheError, match=r"holds no 'text7'.*Encode"):
        TensorCache(tmp_path).get("text7")


def test_a_cache_without_index_is_an_error_and_an_empty_start(tmp_path):
    with pytest.raises(CacheError, match="is missing"):
        TensorCache(tmp_path)
    assert read_index(tmp_path) == []


@pytest.mark.parametrize("schema", [MIXTURE, PREFERENCES])
def test_tables_of_other_columns_are_refused_on_both_sides(tmp_path, schema):
    good = pl.DataFrame(schema=dict(schema))
    path = write_cache_table(tmp_path / "t.parquet", good, schema)
    assert read_cache_table(path, schema).equals(good)
    for bad in (good.drop("bucket"), good.with_columns(extra=1), good.cast({"bucket": pl.Int64})):
        with pytest.raises(CacheError, match="expected"):
            write_cache_table(tmp_path / "bad.parquet", bad, schema)
        bad.write_parquet(tmp_path / "bad.parquet")
        with pytest.raises(CacheError, match=r"bad\.parquet"):
            read_cache_table(tmp_path / "bad.parquet", schema)


@settings(max_examples=20, deadline=None)
@given(
    shapes=st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.lists(st.integers(1, 4), min_size=1, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_any_key_is_a_key(tmp_path_factory, shapes):
    folder = tmp_path_factory.mktemp("keys")
    tensors = {key: torch.rand(*shape) for key, shape in shapes.items()}
    path = write_tensors(folder, tensors, shard="s.safetensors")
    assert load_file(path).keys() == tensors.keys()
    write_index(folder, [(key, "s.safetensors", key) for key in tensors])
    cache = TensorCache(folder)
    assert all(torch.equal(cache.get(key), tensor) for key, tensor in tensors.items())


@pytest.mark.parametrize(
    "module", ["trainers.data.cache", "trainers.config", "trainers.launch.local", "assets.cached.mixture"]
)
def test_what_data_stages_and_profiles_import_is_free_of_torch(module):
    heavy = "{'torch', 'diffusers', 'deepspeed', 'mlflow'}"
    code = f"import sys, {module}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
