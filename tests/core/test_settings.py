import pytest
from platformdirs import user_cache_path

from analysis.core import settings
from analysis.core.errors import DataError


def test_defaults_and_empty_variables(monkeypatch):
    monkeypatch.delenv("NNN_STORE")
    monkeypatch.setenv("NNN_SCHEDULER", "")
    found = settings.read()
    assert found.device == "cpu"
    assert found.scheduler is None
    assert found.workers >= 1
    assert found.store == user_cache_path("neural-neural-networks")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NNN_WORKERS", "0"),
        ("NNN_WORKERS", "many"),
        ("NNN_DEVICE", "foo"),
        ("NNN_DEVICE", "cuda:x"),
        ("NNN_CONNECTIONS", "65"),
        ("NNN_DANDI_API", "ftp://127.0.0.1"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(DataError, match=rf"{name}='{value}': give ") as caught:
        settings.read()
    assert "\n" not in str(caught.value)


def test_a_device_that_torch_does_not_see(monkeypatch):
    monkeypatch.setenv("NNN_DEVICE", "cuda:7")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(DataError, match="NNN_DEVICE=cuda:7"):
        settings.device()
    monkeypatch.setenv("NNN_DEVICE", "cuda:0")
    assert settings.device() == "cuda:0"
