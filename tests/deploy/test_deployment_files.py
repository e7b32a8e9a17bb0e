"""The files of deploy/: held by the rules of the programs that read them, as far as these can be had.

Belongs here: linters, schemas and Dagster's own validation. Does not belong here: running what they
describe (test_cluster). No Docker engine, no cluster and no chart is needed, so none is used: that an
image builds and that the chart renders is not shown here.
"""

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import UserDefinedDagsterK8sConfig

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent


def read(name: str) -> Any:
    """A YAML file of deploy/."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment and give what it says."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )


def test_the_dockerfile_is_clean() -> None:
    """The linter of Dockerfiles finds nothing: pinned bases, no root, no shell traps."""
    found = run("hadolint", "--no-color", str(DEPLOY / "Dockerfile"))
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-kubernetes.lock"])
def test_the_image_holds_what_the_dockerfile_copies(lock: str) -> None:
    """What is copied into the image is there, and .dockerignore lets it and little else through."""
    root = DEPLOY.parent
    text = (root / ".dockerignore").read_text(encoding="utf-8")
    rules = [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]
    assert rules[0] == "*"  # nothing but what the rules after it name
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied: list[str] = []
    for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines():
        words = [word for word in line.split() if not word.startswith("--")]
        if words[:1] == ["COPY"] and "--from=build" not in line:
            copied += [word.replace("${REQUIREMENTS}", lock) for word in words[1:-1]]
    assert lock in copied
    for name in copied:
        assert (root / name).exists(), name
        assert name in let_in, name


def test_the_compose_file_follows_its_specification() -> None:
    """The published schema of Compose files takes ours."""
    checked = run(
        "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(DEPLOY / "docker-compose.yaml"),
    )
    assert checked.returncode == 0, checked.stdout


def test_the_compose_file_publishes_nothing_to_the_network() -> None:
    """Dagster's web server has no login, so no port is opened beyond the machine itself."""
    services = read("docker-compose.yaml")["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    """Who fills in example.env has given everything that the Compose file asks for."""
    text = (DEPLOY / "docker-compose.yaml").read_text(encoding="utf-8")
    asked = {part.split(":")[0].split("}")[0] for part in text.split("${")[1:]}
    lines = (DEPLOY / "example.env").read_text(encoding="utf-8").splitlines()
    given = {line.split("=")[0] for line in lines if line and not line.startswith("#")}
    assert asked <= given
    assert all(line.endswith("=") for line in lines if line and not line.startswith("#"))


def test_workers_do_not_get_the_administrators_password() -> None:
    """What workers are given are the sources' variables; those of the Compose file itself are not."""
    text = (DEPLOY / "docker-compose.yaml").read_text(encoding="utf-8")
    services = read("docker-compose.yaml")["services"]
    asked = {part.split(":")[0].split("}")[0] for part in text.split("${")[1:]}
    assert (
        "POSTGRES_PASSWORD" in asked and "POSTGRES_PASSWORD" in services["database"]["environment"]
    )
    for name in ("code", "web", "daemon"):
        assert not asked & services[name]["environment"].keys()
        for file in services[name]["env_file"]:
            assert file != ".env"
            example = (DEPLOY / f"example.{file}").read_text(encoding="utf-8")
            assert not any(variable in example for variable in asked)


def test_the_user_of_the_image_may_write_to_every_volume() -> None:
    """A new volume takes its owner from the image's folder: without one root owns it, and runs fail."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    user = text.partition("\nRUN groupadd")[2].partition("\nCOPY")[0]
    made = user.partition("install -d -o okr -g okr ")[2].split()
    homes = user.partition("--home-dir ")[2].split()[:1]
    mounts = [volume.split(":") for volume in read("docker-compose.yaml")["x-okr-sync"]["volumes"]]
    names = read("docker-compose.yaml")["volumes"].keys()
    kept = [mount[1] for mount in mounts if mount[0] in names]
    assert len(kept) == 2 and set(kept) <= {*made, *homes}


def test_dagster_takes_the_instance_file() -> None:
    """Dagster's own schema takes deploy/dagster.yaml, with telemetry off and refusals not retried."""
    settings = read("dagster.yaml")
    checked = validate_config(dagster_instance_config_schema(), settings)
    assert checked.success, checked.errors
    assert settings["telemetry"] == {"enabled": False}
    assert settings["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_dagster_takes_what_the_chart_is_told() -> None:
    """The values' additions to the instance file and the pods' settings pass Dagster's own rules."""
    values = read("kubernetes/values.yaml")
    instance = {
        "telemetry": values["telemetry"],
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": values["dagsterDaemon"]["runCoordinator"]["type"],
            "config": {
                "max_concurrent_runs": values["dagsterDaemon"]["runCoordinator"]["config"][
                    "queuedRunCoordinator"
                ]["maxConcurrentRuns"]
            },
        },
        **values["additionalInstanceConfig"],
    }
    checked = validate_config(dagster_instance_config_schema(), instance)
    assert checked.success, checked.errors
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    snake = {
        "container_config": launcher["containerConfig"],
        "pod_spec_config": launcher["podSpecConfig"],
        "job_spec_config": launcher["jobSpecConfig"],
    }
    UserDefinedDagsterK8sConfig.from_dict(snake)  # type: ignore[no-untyped-call] # Dagster has none here
    taken = validate_config(
        dg.Shape(K8sRunLauncher.config_type()),  # type: ignore[no-untyped-call] # nor here
        {
            "service_account_name": "dagster",
            "instance_config_map": "dagster-instance",
            "postgres_password_secret": values["global"]["postgresqlSecretName"],
            "dagster_home": values["global"]["dagsterHome"],
            "image_pull_policy": values["runLauncher"]["config"]["k8sRunLauncher"][
                "imagePullPolicy"
            ],
            "run_k8s_config": snake,
        },
    )
    assert taken.success, taken.errors


def test_a_run_that_is_gone_gives_its_places_back() -> None:
    """Wherever pools are limited, Dagster frees what killed runs held, and ends runs that never end.

    Without the first, two killed or cancelled pulls keep every later run from their source for ever;
    without the second, a machine that stopped leaves runs that hold the queue's places.
    """
    starter = (files("okr_sync.templates") / "dagster.yaml").read_text(encoding="utf-8")
    for settings in (read("dagster.yaml"), yaml.safe_load(starter)):
        assert settings["concurrency"]["pools"]["default_limit"]
        monitoring = settings["run_monitoring"]
        assert monitoring["enabled"]
        assert monitoring["free_slots_after_run_end_seconds"] > 0
        assert monitoring["max_runtime_seconds"] > 0
    told = read("kubernetes/values.yaml")["dagsterDaemon"]["runMonitoring"]
    assert told["enabled"]
    assert told["freeSlotsAfterRunEndSeconds"] > 0 and told["maxRuntimeSeconds"] > 0


def test_the_chart_is_of_the_locked_version() -> None:
    """The chart and Dagster belong together: the version to install is the one that is locked."""
    text = (DEPLOY / "kubernetes" / "values.yaml").read_text(encoding="utf-8")
    lock = (DEPLOY.parent / "requirements.lock").read_text(encoding="utf-8")
    locked = next(line for line in lock.splitlines() if line.startswith("dagster=="))
    assert f"--version {locked.split('==')[1].split()[0]} " in text


@pytest.mark.parametrize("name", ["create-databases.sh"])
def test_scripts_are_sound(name: str) -> None:
    """A script of deploy/ can be run, and the shell reads it without complaint."""
    path = DEPLOY / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)


def words_under(key: str, value: Any) -> list[tuple[str, str]]:
    """Every text of a YAML file with the name that it stands under."""
    if isinstance(value, dict):
        return [pair for name, one in value.items() for pair in words_under(str(name), one)]
    if isinstance(value, list):
        return [pair for one in value for pair in words_under(key, one)]
    return [(key, str(value))]


@pytest.mark.parametrize("name", ["docker-compose.yaml", "dagster.yaml", "kubernetes/values.yaml"])
def test_passwords_come_from_the_environment(name: str) -> None:
    """No file of deploy/ sets a password: each is a variable, or the name of a secret."""
    for key, text in words_under("", read(name)):
        if "password" in key.lower() and "secret" not in key.lower():
            assert text.startswith("${"), key
        if "://" in text and "@" in text:
            assert ":${" in text.partition("://")[2].partition("@")[0], key


def test_dagster_takes_the_starters_file() -> None:
    """The file that `okr-sync init` and `okr-sync demo` write for Dagster is one that it takes."""
    settings = yaml.safe_load(
        (files("okr_sync.templates") / "dagster.yaml").read_text(encoding="utf-8")
    )
    checked = validate_config(dagster_instance_config_schema(), settings)
    assert checked.success, checked.errors
    assert settings["telemetry"] == {"enabled": False}
