"""A plan handed from the build that made it to the one that applies it, past somebody's approval.

Cloud Build asks for an approval before a build begins and nowhere else, so planning and applying
are two builds. Invariant: what is applied is, byte for byte, what was planned and approved: plan,
bundles and the checksums of the providers travel in one archive whose hash the second build is
given when it is asked for.
"""

import hashlib
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploying.console import DeployError
from deploying.gcloud import Gcloud
from deploying.preflight import DIST
from deploying.terraform import FOLDER, LOCK, PLAN, Terraform

_COMMIT = "commit"
_LOCK = LOCK.name


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Where the archive is, its hash (sha256, in hex), and the commit that both builds are of."""

    address: str
    digest: str
    commit: str


def hand_over(
    gcloud: Gcloud, terraform: Terraform, place: str, commit: str, trigger: str
) -> HandedOver:
    """Puts the plan where the next build finds it, asks for that build, and returns what it is.

    Args:
        gcloud: does it.
        terraform: has made the plan.
        place: gs://bucket/folder of this build's own; the plan in words is put beside the archive.
        commit: what was planned.
        trigger: of the build that applies; it waits for an approval where the trigger says so.

    Raises:
        DeployError: there is no plan, or gcloud fails.
    """
    words = terraform.show()
    with tempfile.TemporaryDirectory() as folder:
        archive, text = Path(folder) / "plan.tar", Path(folder) / "plan.txt"
        _pack(archive, commit)
        text.write_text(words, "utf-8")
        done = HandedOver(f"{place}/plan.tar", _digest(archive), commit)
        gcloud.change("storage", "cp", str(archive), done.address)
        gcloud.change("storage", "cp", str(text), f"{place}/plan.txt")
    gcloud.change(
        "builds",
        "triggers",
        "run",
        trigger,
        f"--region={gcloud.region}",
        f"--sha={commit}",
        f"--substitutions=_PLAN={done.address},_DIGEST={done.digest}",
    )
    gcloud.say(f"to read before it is approved: gcloud storage cat {place}/plan.txt")
    return done


def take_over(gcloud: Gcloud, terraform: Terraform, given: HandedOver) -> None:
    """Fetches what was handed over, and makes everything ready to apply it.

    Raises:
        DeployError: it is not what was approved, or of another commit, or gcloud or terraform
            fails; nothing is unpacked then.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "plan.tar"
        gcloud.fetch("storage", "cp", given.address, str(archive))
        if _digest(archive) != given.digest:
            raise DeployError(f"{given.address} is not what was planned: its hash is another one")
        with tarfile.open(archive) as packed:
            of = packed.extractfile(_COMMIT)
            if of is None or of.read().decode() != given.commit:
                raise DeployError(f"{given.address} was not planned of {given.commit}")
            DIST.mkdir(exist_ok=True)
            for member in packed.getmembers():
                if member.name not in (_COMMIT, _LOCK):
                    packed.extract(member, DIST, filter="data")
            packed.extract(_LOCK, FOLDER, filter="data")
    gcloud.say(f"plan and bundles of {given.commit[:12]} are here, as they were planned")
    terraform.initialise(exactly=True)


def _pack(archive: Path, commit: str) -> None:
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive, "w") as packed:
        said = Path(folder) / _COMMIT
        said.write_text(commit, "utf-8")
        packed.add(said, _COMMIT)
        packed.add(LOCK, _LOCK)
        for path in (PLAN, DIST / "bundles.json", *sorted(DIST.glob("*.zip"))):
            packed.add(path, path.name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
