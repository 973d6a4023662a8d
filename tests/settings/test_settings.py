"""Configuration: who wins, and that nothing wrong is passed over in silence."""

from pathlib import Path

import pytest

from streamer.errors import SettingsError
from streamer.kafka.options import Delivery
from streamer.settings import load_settings, sources


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for section in ("KAFKA__GROUP", "KAFKA__DELIVERY", "CONFIG", "SECRET"):
        monkeypatch.delenv(f"EARSHOT_{section}", raising=False)


def written(folder: Path, text: str) -> Path:
    path = folder / "earshot.yaml"
    path.write_text(text)
    return path


def test_it_works_without_a_file() -> None:
    assert load_settings().kafka.delivery is Delivery.EXACTLY_ONCE


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "kafka: {group: from-file, bootstrap_servers: 'file:1'}\nbatch: {max_cases: 3}\n")
    monkeypatch.delenv("EARSHOT_ENGINE__BUNDLE")
    monkeypatch.setenv("EARSHOT_KAFKA__GROUP", "from-environment")
    settings = load_settings(path, {"batch.max_cases": 5})
    assert settings.kafka.group == "from-environment"
    assert settings.kafka.bootstrap_servers == "file:1"
    assert settings.batch.max_cases == 5
    assert sources(path) == {
        "kafka.group": "EARSHOT_KAFKA__GROUP",
        "kafka.bootstrap_servers": str(path),
        "batch.max_cases": str(path),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka: {grupo: x}", "kafka.grupo"),
        ("kafak: {group: x}", "kafak"),
        ("batch: {max_cases: many}\nworker: {drain_seconds: -1}", "2 fault"),
        ("policy: {adult: {review: 0.9, block: 0.2}}", "more extreme"),
        ("- a list", "expected sections"),
        ("{", "not YAML"),
        ("kafka: {topics: {verdict: one-topic}}", "{task}"),
        ("engine: {kind: cuda}", "engine.kind: .*'ort-cuda'"),
        ("engine: {precision: fp4}", "engine.precision: .*'fp8'"),
        ("engine: {device: -1}", "engine.device"),
    ],
)
def test_faults_in_the_file_are_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected.replace("{", r"\{").replace("}", r"\}")):
        load_settings(written(tmp_path, text))


@pytest.mark.parametrize("name", ["EARSHOT_KAFKA__GRUOP", "EARSHOT_KAFAK__GROUP", "EARSHOT_KAFKA__TOPICS__RETYR"])
def test_a_misspelt_variable_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=r"(?i)gruop|kafak|retyr"):
        load_settings()


def test_a_value_of_the_command_line_is_checked_too() -> None:
    with pytest.raises(SettingsError, match="max_cases"):
        load_settings(None, {"batch.max_cases": 0})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml"):
        load_settings(tmp_path / "absent.yaml")


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_SECRET", "canary-secret-of-enough-length")
    monkeypatch.setenv("EARSHOT_KAFKA__SASL_PASSWORD", "canary-password")
    settings = load_settings()
    assert "canary" not in repr(settings) + settings.model_dump_json()
    monkeypatch.delenv("EARSHOT_KAFKA__SASL_PASSWORD")
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, "kafka: {sasl_password: [canary-list]}"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("secret", [None, "short"])
def test_a_shared_cache_asks_for_a_secret(monkeypatch: pytest.MonkeyPatch, secret: str | None) -> None:
    monkeypatch.setenv("EARSHOT_CACHE__URL", "redis://localhost:6379/0")
    if secret is not None:
        monkeypatch.setenv("EARSHOT_SECRET", secret)
    with pytest.raises(SettingsError, match="16 or more"):
        load_settings()
    monkeypatch.setenv("EARSHOT_SECRET", "a secret of enough length")
    assert load_settings().cache.url is not None


def test_the_example_file_holds_the_defaults() -> None:
    example = Path(__file__).parents[2] / "config" / "earshot.yaml"
    assert load_settings(example) == load_settings()


def test_an_override_reaches_values_outside_sections_and_is_validated_there_too() -> None:
    settings = load_settings(None, {"secret": "s" * 32})
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "s" * 32
    with pytest.raises(SettingsError, match="secret"):
        load_settings(None, {"secret": 7})


def test_engines_are_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"KIND": "trt", "DEVICE": "1", "PRECISION": "bf16", "PLANS": "/plans", "BUILD": "true"}
    for name, value in chosen.items():
        monkeypatch.setenv(f"EARSHOT_ENGINE__{name}", value)
    engine = load_settings().engine
    assert (engine.kind, engine.device, engine.precision) == ("trt", 1, "bf16")
    assert (engine.plans, engine.build) == (Path("/plans"), True)
