"""Kafka's programs: the Java runtime, and the jars that Maven downloads once into the user's cache.

`kafka.sha256` has the name and SHA-256 of each jar. After a change of `kafka.pom.xml`, write it where Maven can be
trusted: `python -m infra.local.servers.kafka_jars`.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from infra.local.servers.process import ServerError

MIN_JAVA = 17
POM = Path(__file__).with_name("kafka.pom.xml")
DIGESTS = Path(__file__).with_name("kafka.sha256")
"""A line for each jar, as `sha256sum` writes it."""
ADVICE = (
    "Debian, Ubuntu: apt install openjdk-17-jre-headless maven. macOS: brew install openjdk maven. "
    "Or set KAFKA_BOOTSTRAP_SERVERS of a running broker."
)


def java() -> str:
    """The program `java`, from JAVA_HOME or else from the PATH.

    Raises:
        ServerError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    program = found or shutil.which("java")
    if program is None:
        raise ServerError(f"Kafka needs Java {MIN_JAVA} or later, and there is none here. {ADVICE}")
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', answer)
    if version is None or int(version[1]) < MIN_JAVA:
        raise ServerError(f"Kafka needs Java {MIN_JAVA} or later, and {program} is not. {ADVICE}")
    return program


def jars() -> Path:
    """The folder of the jars. Maven downloads them if they are missing; the folder appears when it is complete.

    Raises:
        ServerError: there is no Maven, it cannot download the jars, or they are not those of `kafka.sha256`.
    """
    stamp = sha256(POM.read_bytes() + DIGESTS.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "palimpsest"
    folder = cache / f"kafka-{stamp}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            _download(draft)
            _verify(digests(draft / "jars"))
            (draft / "jars").rename(folder)
            shutil.rmtree(draft)
    return folder


def digests(folder: Path) -> str:
    """A line for each jar in a folder, in the format of `kafka.sha256`."""
    files = sorted(folder.glob("*.jar"), key=lambda file: file.name)
    return "".join(f"{sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def _verify(found: str) -> None:
    """Compare the downloaded jars with the list.

    Raises:
        ServerError: a jar is missing, unknown or different.
    """
    odd = sorted({line.split()[1] for line in set(found.splitlines()) ^ set(DIGESTS.read_text().splitlines())})
    if odd:
        raise ServerError(
            f"The programs of Kafka that Maven downloaded are not the expected ones: {', '.join(odd)}. They are not "
            "used. Look at Maven's settings and its repository (~/.m2), or set KAFKA_BOOTSTRAP_SERVERS."
        )


def _download(draft: Path) -> None:
    """Have Maven copy the jars into the folder `jars` of a new folder."""
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerError(f"Maven downloads Kafka's programs, and there is no `mvn` here. {ADVICE}")
    draft.mkdir()
    pom = shutil.copy(POM, draft / "pom.xml")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={draft / 'jars'}", "-DincludeScope=runtime"]
    command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", pom, *goal]
    # Java takes the home folder from the system's user list, not from HOME.
    options = f"{os.environ.get('MAVEN_OPTS', '')} -Duser.home={Path.home()}".strip()
    environment = {**os.environ, "MAVEN_OPTS": options}
    answer = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment
    )
    if answer.returncode:
        words = "\n".join((answer.stdout + answer.stderr).splitlines()[:5])
        raise ServerError(f"Maven could not download Kafka's programs. Its output:\n{words}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as parent:
        _download(Path(parent) / "kafka")
        DIGESTS.write_text(digests(Path(parent) / "kafka" / "jars"))
