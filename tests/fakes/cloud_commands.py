"""`gcloud` and `terraform` for tests: programs on PATH that keep a small cloud in a file.

The cloud knows services, revisions, traffic and tags, and does with them what Cloud Run does: a
deployment makes a revision, and moves the requests to it only where the traffic follows the latest
one. Every call is recorded. Flags that the real commands (Google Cloud SDK 528, Terraform 1.11) do
not have are refused, as they refuse them.
"""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

STATE = "STUB_CLOUD"
"""Names the file of the cloud."""

_WIDE = {"--project", "--quiet", "--format", "--verbosity"}
_GCLOUD = {
    "run services list": {"--region", "--filter", "--limit"},
    "run services update-traffic": {"--region", "--to-revisions", "--to-latest", "--update-tags"},
    "auth list": {"--filter"},
    "auth print-access-token": set(),
    "projects describe": set(),
    "services list": {"--enabled", "--available"},
    "secrets list": {"--filter"},
    "secrets versions list": {"--filter"},
    "storage cp": {"--recursive"},
    "builds triggers run": {"--region", "--substitutions", "--branch", "--sha", "--tag"},
}
_TERRAFORM = {
    "init": {"-input", "-reconfigure", "-backend-config", "-lockfile"},
    "plan": {"-input", "-var-file", "-var", "-out"},
    "apply": {"-input"},
    "show": {"-no-color", "-json"},
    "output": {"-json"},
    "version": {"-json"},
}


def new_cloud(names: list[str]) -> dict:
    """Returns a cloud in which each service has one revision, followed as the latest."""
    return {
        "services": {
            f"whetstone-{name}": {
                "revisions": [f"whetstone-{name}-00001-aaa"],
                "spec": [{"latestRevision": True, "percent": 100}],
                "tags": {},
                "broken": False,
            }
            for name in names
        },
        "secrets": {"whetstone-jwt-secret": ["1"], "other": []},
        "apis": ["cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com"],
        "deploys": [],
        "ignores_pins": False,
        "outputs": {},
        "triggers": {"whetstone-release": {"approval": True}},
        "builds": [],
        "calls": [],
    }


def install(folder: Path, cloud: dict) -> Path:
    """Writes the programs and the cloud into a folder, and returns the cloud's file."""
    file = folder / "cloud.json"
    file.write_text(json.dumps(cloud))
    for program in ("gcloud", "terraform"):
        path = folder / program
        text = f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" {program} "$@"\n'
        path.write_text(text)
        path.chmod(0o755)
    return file


def shares(service: dict) -> dict[str, int]:
    """Returns percents by revision."""
    latest = service["revisions"][-1]
    return {one.get("revisionName", latest): one["percent"] for one in service["spec"]}


def _described(name: str, service: dict) -> dict:
    latest = service["revisions"][-1]
    ready = service["revisions"][-2] if service["broken"] else latest
    traffic = [
        {"revisionName": ready, "latestRevision": True, "percent": 100}
        if one.get("latestRevision")
        else dict(one)
        for one in service["spec"]
    ]
    traffic += [{"revisionName": one, "tag": tag} for tag, one in service["tags"].items()]
    return {
        "metadata": {"name": name},
        "spec": {"traffic": service["spec"]},
        "status": {
            "latestReadyRevisionName": ready,
            "latestCreatedRevisionName": latest,
            "traffic": traffic,
        },
    }


def _refuse(message: str) -> NoReturn:
    print(f"ERROR: {message}", file=sys.stderr)
    raise SystemExit(2)


def _split(arguments: list[str], known: dict[str, set[str]], wide: set[str]) -> tuple:
    """Returns the command, its other words, and its flags; refuses what the command has not."""
    words = [one for one in arguments if not one.startswith("-")]
    flags = [one.split("=", 1) for one in arguments if one.startswith("-")]
    for length in (3, 2, 1):
        command = " ".join(words[:length])
        if command in known:
            for flag in flags:
                if flag[0] not in known[command] | wide:
                    _refuse(f"unrecognized arguments: {flag[0]} (of {command})")
            named = {flag[0]: flag[1] if len(flag) == 2 else "" for flag in flags}
            return command, words[length:], named
    _refuse(f"Invalid choice: {' '.join(words)}")


def _update_traffic(cloud: dict, words: list[str], flags: dict[str, str]) -> None:
    service = cloud["services"].get(words[0]) or _refuse(f"cannot find service [{words[0]}]")
    if "--to-latest" in flags:
        service["spec"] = [{"latestRevision": True, "percent": 100}]
    if wanted := flags.get("--to-revisions"):
        pairs = [one.split("=") for one in wanted.split(",")]
        if unknown := [one for one, _ in pairs if one not in service["revisions"]]:
            _refuse(f"Revision {unknown[0]} does not exist")
        if sum(int(percent) for _, percent in pairs) != 100:
            _refuse("percents must sum up to 100")
        service["spec"] = [{"revisionName": one, "percent": int(percent)} for one, percent in pairs]
    for one in filter(None, flags.get("--update-tags", "").split(",")):
        tag, revision = one.split("=")
        service["tags"][tag] = revision


def _copy(source: str, target: str) -> None:
    """Copies between this machine and the objects, which are files beside the cloud's."""
    objects = Path(os.environ[STATE]).parent / "objects"
    there = [
        objects / one.removeprefix("gs://") if one.startswith("gs://") else Path(one)
        for one in (source, target)
    ]
    if not there[0].exists():
        _refuse(f"The following URLs matched no objects or files: {source}")
    there[1].parent.mkdir(parents=True, exist_ok=True)
    there[1].write_bytes(there[0].read_bytes())


def _run_trigger(cloud: dict, words: list[str], flags: dict[str, str]) -> dict:
    """Makes a build, which waits where the trigger asks for an approval."""
    trigger = cloud["triggers"].get(words[0]) or _refuse(f"NOT_FOUND: trigger {words[0]}")
    given = dict(one.split("=", 1) for one in flags["--substitutions"].split(","))
    waits = trigger["approval"]
    build = {"status": "PENDING" if waits else "QUEUED", "substitutions": given}
    cloud["builds"].append({**build, "sha": flags["--sha"], "trigger": words[0]})
    return {"metadata": {"build": build}}


def _gcloud(cloud: dict, arguments: list[str]) -> object:
    command, words, flags = _split(arguments, _GCLOUD, _WIDE)
    if command == "run services update-traffic":
        return _update_traffic(cloud, words, flags)
    if command == "storage cp":
        return _copy(*words)
    if command == "builds triggers run":
        return _run_trigger(cloud, words, flags)
    name = words[0] if words else ""
    answers = {
        "run services list": [_described(one, kept) for one, kept in cloud["services"].items()],
        "auth list": [{"account": "somebody@example.com", "status": "ACTIVE"}],
        "auth print-access-token": "ya29.stub",
        "projects describe": {"projectId": name, "lifecycleState": "ACTIVE"},
        "services list": [{"config": {"name": one}} for one in cloud["apis"]],
        "secrets list": [{"name": f"projects/1/secrets/{one}"} for one in cloud["secrets"]],
        "secrets versions list": [{"name": one} for one in cloud["secrets"].get(name, [])],
    }
    return answers[command]


def _deploy(cloud: dict) -> None:
    """Makes a revision of each service that is to be deployed."""
    for name in cloud["deploys"]:
        service = cloud["services"][f"whetstone-{name}"]
        number = len(service["revisions"]) + 1
        service["revisions"].append(f"whetstone-{name}-{number:05}-aaa")
        if cloud["ignores_pins"]:
            service["spec"] = [{"latestRevision": True, "percent": 100}]
    cloud["deploys"] = []


def _initialise(lock: Path, *, readonly: bool) -> None:
    if not lock.exists():
        if readonly:
            _refuse("Provider dependency changes detected")
        lock.write_text("checksums")


def _terraform(cloud: dict, arguments: list[str]) -> object:
    folder = "".join(one.removeprefix("-chdir=") for one in arguments if one.startswith("-chdir="))
    arguments = [one for one in arguments if not one.startswith("-chdir=")]
    command, words, flags = _split(arguments, _TERRAFORM, set())
    match command:
        case "init":
            _initialise(Path(folder) / ".terraform.lock.hcl", readonly="-lockfile" in flags)
        case "version":
            return {"terraform_version": "1.11.4"}
        case "output":
            return {name: {"value": one} for name, one in cloud["outputs"].items()}
        case "plan":
            Path(flags["-out"]).write_text("plan")
        case "show":
            return f"what {Path(words[0]).read_text()} would do"
        case "apply":
            _deploy(cloud)
    return None


def main() -> None:
    """Does one call."""
    file = Path(os.environ[STATE])
    cloud = json.loads(file.read_text())
    program, arguments = sys.argv[1], sys.argv[2:]
    cloud["calls"].append([program, *arguments])
    file.write_text(json.dumps(cloud))
    answer = (_gcloud if program == "gcloud" else _terraform)(cloud, arguments)
    file.write_text(json.dumps(cloud))
    if isinstance(answer, str):
        print(answer)
    elif answer is not None:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
