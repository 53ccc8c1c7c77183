"""Attacks by a package: archives, what is in them, where they come from, and the store that they are in."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import ed25519
from arena import Arena, Ran, attack

TOML = 'name = "words"\nversion = "{version}"\ncommand = ["python3", "-B", "plugin.py"]\n'
PLUGIN = """import json, sys
hello = {"protocolVersion": 1, "plugin": {"name": "words", "version": "1"}, "provides": []}
for line in sys.stdin:
    request = json.loads(line)
    answer = {"rpc.initialize": hello, "rpc.shutdown": None}.get(request["method"], "SAYS")
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": answer}), flush=True)
"""
Spoil = Callable[[tarfile.TarFile], None]


def add(archive: tarfile.TarFile, name: str, data: bytes = b"x", **members: object) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    for member, value in members.items():
        setattr(entry, member, value)
    if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        entry.size = 0
    archive.addfile(entry, io.BytesIO(data))


def entry(name: str, data: bytes = b"x", **members: object) -> Spoil:
    """Adds an entry to an archive."""
    return lambda archive: add(archive, name, data, **members)


def pack(file: Path, spoil: Spoil = lambda _: None, version: str = "1.0.0", says: str = "good", toml: str = TOML) -> Path:
    """A right package, but for what is done to it."""
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        add(archive, "plugline.toml", toml.replace("{version}", version).encode())
        add(archive, "plugin.py", PLUGIN.replace("SAYS", says).encode())
        spoil(archive)
    return file


def install(arena: Arena, source: object, *options: object, seconds: float = 25) -> Ran:
    return arena.plugline("--json", "install", "--store", arena.dir / "store", *options, source, seconds=seconds)


def start(arena: Arena, driver: str = "words", **how: object) -> Ran:
    env = {"PLUGLINE_STORE": str(arena.dir / "store")}
    return arena.plugline("--json", "call", driver, "t.go", env=env, **how)


def is_refused(arena: Arena, spoil: Spoil, control: str | None = None) -> str:
    """Such an archive is refused, and leaves nothing, within its directory or outside."""
    outside = arena.dir / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "precious").write_text("kept")
    archive = pack(arena.file("package.tar.gz"), spoil)
    ran = install(arena, archive)
    arena.holds("it is refused", ran.code == 3 and ran.kind == "refused_package", ran.text)
    arena.holds(
        "what is outside is as it was",
        [each.name for each in outside.iterdir()] == ["precious"] and (outside / "precious").read_text() == "kept",
    )
    listed = arena.plugline("--json", "list", "--store", arena.dir / "store")
    arena.holds("nothing of it is in the store", b'"plugins":[]' in listed.out, listed.text)
    stray = [path for path in (arena.dir / "store").rglob("*") if path.is_file() and path.name in ("evil", "plugin.py")]
    arena.holds("no file of it is left", not stray, stray)
    if control is not None:
        naive = arena.dir / "naive" / "store" / "words"
        naive.mkdir(parents=True)
        (arena.dir / "naive" / "outside").mkdir()
        (arena.dir / "naive" / "outside" / "precious").write_text("kept")
        with tarfile.open(archive) as opened:
            try:
                opened.extractall(naive, filter="fully_trusted")
            except (OSError, tarfile.TarError):
                pass  # What was done by then is looked at.
        arena.bites(
            control,
            (arena.dir / "naive" / "outside" / "precious").read_text() != "kept"
            or (arena.dir / "naive" / "outside" / "evil").exists(),
        )
    return str(ran.report.get("message"))


def link(archive: tarfile.TarFile, name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> None:
    add(archive, name, b"", type=kind, linkname=to)


@attack("package/path-traversal")
def traversal(arena: Arena) -> str:
    """Has a file whose path climbs out of the package."""
    return is_refused(arena, entry("../../outside/evil"), "tar, as Python trusts it, writes the file outside")


@attack("package/absolute-path")
def absolute(arena: Arena) -> str:
    """Has a file whose path begins at the root."""
    target = arena.dir / "naive" / "outside" / "evil"
    return is_refused(arena, entry(str(target)), "tar, as Python trusts it, writes the file there")


@attack("package/backslash-path")
def backslash(arena: Arena) -> str:
    """Has paths that climb out on another platform."""
    told = [is_refused(arena, entry(path)) for path in ("..\\..\\evil", "C:evil", "a/./../../evil", "nul.")]
    return told[0]


@attack("package/symlink-and-write-through")
def symlink(arena: Arena) -> str:
    """Has a symbolic link to a directory outside, and then a file within it."""

    def spoil(archive: tarfile.TarFile) -> None:
        link(archive, "out", "../../outside")
        add(archive, "out/evil")

    return is_refused(arena, spoil, "tar, as Python trusts it, writes through the link")


@attack("package/hard-link-and-overwrite")
def hard_link(arena: Arena) -> str:
    """Has a hard link to a file outside, and then a file of the same name that would overwrite it."""

    def spoil(archive: tarfile.TarFile) -> None:
        link(archive, "hard", "../../outside/precious", tarfile.LNKTYPE)
        add(archive, "hard", b"overwritten")

    return is_refused(arena, spoil)


@attack("package/devices-and-pipes")
def devices(arena: Arena) -> str:
    """Has devices and a named pipe."""
    kinds = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    return "; ".join(is_refused(arena, entry("evil", b"", type=kind, devmajor=1, devminor=1)) for kind in kinds)


@attack("package/set-user-id")
def setuid(arena: Arena) -> str:
    """Has a program that runs as its owner, and one as its group."""
    return "; ".join(is_refused(arena, entry("evil", mode=mode)) for mode in (0o4755, 0o2755))


@attack("package/case-clash")
def case_clash(arena: Arena) -> str:
    """Has a second plugin.py, told from the first by upper case alone."""
    return is_refused(arena, entry("PLUGIN.py", b"other"))


@attack("package/same-path-twice")
def twice(arena: Arena) -> str:
    """Has one path twice: what is checked is the first, what is run the second."""
    return is_refused(arena, entry("plugin.py", b"other"))


@attack("package/escape-codes-in-names")
def control_names(arena: Arena) -> str:
    """Has a file whose name clears the screen."""
    told = is_refused(arena, entry("a\x1b[2Jb"))
    arena.holds("the name is escaped where it is told", "\x1b" not in told, repr(told))
    return told


@attack("package/gzip-bomb", 60)
def bomb(arena: Arena) -> str:
    """Has a file of 256 MiB of zeros, in 1 MB."""
    archive = arena.file("package.tar.gz")
    with gzip.open(archive, "wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        add(tar, "plugline.toml", TOML.replace("{version}", "1.0.0").encode())
        entry = tarfile.TarInfo("zeros")
        entry.size = 256 << 20

        class Zeros(io.RawIOBase):
            def read(self, size: int = -1) -> bytes:
                return bytes(size)

        tar.addfile(entry, Zeros())
    arena.bites("it is a hundredth of what it becomes", archive.stat().st_size * 100 < 256 << 20)
    before = shutil.disk_usage(arena.dir).free
    ran = install(arena, archive, seconds=40)
    arena.holds("it is refused", ran.kind == "refused_package", ran.text)
    arena.flat(ran)
    left = sum(path.stat().st_size for path in (arena.dir / "store").rglob("*") if path.is_file())
    arena.holds("the disk is as it was", left < 1 << 20, left, before)
    return str(ran.report.get("message"))


@attack("package/a-hundred-thousand-entries", 60)
def entries(arena: Arena) -> str:
    """Has more directories than anybody counts."""

    def spoil(archive: tarfile.TarFile) -> None:
        for number in range(100_001):
            entry = tarfile.TarInfo(f"d/{number}")
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)

    archive = pack(arena.file("package.tar.gz"), spoil)
    ran = install(arena, archive, seconds=45)
    arena.holds("it is refused", ran.kind == "refused_package", ran.text)
    left = [path for path in (arena.dir / "store").rglob("*") if path.is_file()]
    arena.holds("nothing is left", len(left) < 10, len(left))
    return str(ran.report.get("message"))


@attack("package/data-after-the-end")
def after_the_end(arena: Arena) -> str:
    """Has a second archive behind the end of the first, which other programs unpack."""
    first = gzip.decompress(pack(arena.file("first")).read_bytes())
    second = gzip.decompress(pack(arena.file("second"), says="evil").read_bytes())
    archive = arena.file("package.tar.gz")
    archive.write_bytes(gzip.compress(first + second))
    ran = install(arena, archive)
    arena.holds("it is refused", ran.kind == "refused_package", ran.text)
    with tarfile.open(archive, ignore_zeros=True) as naive:
        arena.bites(
            "a reader that goes on finds the second plugin",
            len([each for each in naive.getnames() if each == "plugin.py"]) == 2,
        )
    return str(ran.report.get("message"))


@attack("package/other-checksum")
def checksum(arena: Arena) -> str:
    """Is another archive than the one whose SHA-256 was told."""
    good, evil = pack(arena.file("good.tar.gz")), pack(arena.file("evil.tar.gz"), says="evil")
    told = hashlib.sha256(good.read_bytes()).hexdigest()
    ran = install(arena, evil, "--sha256", told)
    arena.holds("it is refused", ran.kind == "refused_package", ran.text)
    right = install(arena, good, "--sha256", told)
    arena.bites("the right one is taken", right.code == 0)
    return str(ran.report.get("message"))


class Signer:
    """A minisign key, and what it signs (https://jedisct1.github.io/minisign/)."""

    def __init__(self) -> None:
        self._secret, self._id = os.urandom(32), os.urandom(8)

    @property
    def key(self) -> str:
        return base64.b64encode(b"Ed" + self._id + ed25519.public_key(self._secret)).decode()

    def sign(self, file: Path, comment: str = "signed") -> None:
        signature = ed25519.sign(self._secret, hashlib.blake2b(file.read_bytes()).digest())
        whole = ed25519.sign(self._secret, signature + comment.encode())
        lines = ["untrusted comment: x", base64.b64encode(b"ED" + self._id + signature).decode()]
        lines += [f"trusted comment: {comment}", base64.b64encode(whole).decode()]
        Path(f"{file}.minisig").write_text("\n".join(lines) + "\n")


@attack("package/forged-signature")
def signature(arena: Arena) -> str:
    """Is signed by another key, by the right key for another archive, by nobody, or with a comment that was changed."""
    trusted, other = Signer(), Signer()
    good, evil = pack(arena.file("good.tar.gz")), pack(arena.file("evil.tar.gz"), says="evil")
    trusted.sign(good, "file:good.tar.gz")
    right = Path(f"{good}.minisig").read_text()
    beside = Path(f"{evil}.minisig")

    def comment() -> None:
        trusted.sign(evil)
        beside.write_text(beside.read_text().replace("trusted comment: signed", "trusted comment: forged"))

    forged: dict[str, Callable[[], object]] = {
        "another key": lambda: other.sign(evil),
        "another archive": lambda: beside.write_text(right),
        "a comment that was changed": comment,
        "an empty signature": lambda: beside.write_text(""),
        "no signature": beside.unlink,
    }
    told = []
    for what, forge in forged.items():
        forge()
        ran = install(arena, evil, "--require-signature", trusted.key)
        arena.holds(f"{what} is refused", ran.code == 3, ran.text)
        told.append(f"{what}: {ran.report.get('message')}")
    arena.bites("the right signature is taken", install(arena, good, "--require-signature", trusted.key).code == 0)
    return "the signature is checked before anything is unpacked; " + told[0]


@attack("package/same-version-other-contents")
def replaced(arena: Arena) -> str:
    """Publishes other contents under a version that is installed."""
    install(arena, pack(arena.file("good.tar.gz")))
    ran = install(arena, pack(arena.file("evil.tar.gz"), says="evil"))
    arena.holds("it is refused", ran.code == 3, ran.text)
    arena.holds("what was installed is what runs", start(arena).out == b'"good"\n')
    return str(ran.report.get("message"))


@attack("package/runs-at-install")
def runs_at_install(arena: Arena) -> str:
    """Has a build command and a plugin that leave a mark when they run, and hopes that installing is enough."""
    mark = arena.dir / "mark"
    toml = f'name = "words"\nversion = "1.0.0"\ncommand = ["python3", "-B", "plugin.py"]\n[build]\ncommand = ["touch", "{mark}"]\n'
    ran = install(arena, pack(arena.file("package.tar.gz"), toml=toml))
    arena.plugline("list", "--store", arena.dir / "store")
    arena.plugline("which", "words", "--store", arena.dir / "store")
    arena.holds("nothing has run", not mark.exists(), ran.text)
    return (
        f"installing, listing and looking start nothing ({'installed' if ran.code == 0 else ran.report.get('message')})"
    )


@attack("package/paths-in-plugline-toml")
def toml_paths(arena: Arena) -> str:
    """Names a manifest, a program and itself by paths that leave the package."""
    secret = arena.dir / "secret.json"
    secret.write_text("{}")
    tomls = [
        TOML + 'manifest = "../../../secret.json"\n',
        TOML + f'manifest = "{secret}"\n',
        TOML.replace('"words"', '"../../evil"'),
        TOML.replace('"words"', '".."'),
        TOML.replace('"words"', '"\\u001b[2J"'),
        TOML.replace('"python3", "-B", "plugin.py"', '"../../../bin/sh"'),
        'name = "words"\nversion = "1.0.0"\n[[artifact]]\nos = "linux"\narch = "x86_64"\npath = "../../evil"\nsha256 = "'
        + "0" * 64
        + '"\n',
    ]
    told = []
    for toml in tomls:
        ran = install(arena, pack(arena.file("package.tar.gz"), toml=toml))
        arena.holds("it is refused", ran.code == 3, toml, ran.text)
        told.append(str(ran.report.get("message")))
    return told[0]


@attack("package/tampered-after-install")
def tampered(arena: Arena) -> str:
    """Changes, adds and removes files of what is installed, as a plugin might that writes to its own directory."""
    install(arena, pack(arena.file("package.tar.gz")))
    (installed,) = [path for path in (arena.dir / "store").rglob("plugin.py")]
    arena.holds("it runs as installed", start(arena).out == b'"good"\n')
    directory, text = installed.parent, installed.read_text()
    os.chmod(directory, 0o755)
    os.chmod(installed, 0o644)
    told = []
    installed.write_text(text.replace("good", "evil"))
    told.append(start(arena))
    installed.write_text(text)
    (directory / "json.py").write_text("import os; print('evil')")
    told.append(start(arena))
    (directory / "json.py").unlink()
    installed.unlink()
    installed.symlink_to(arena.dir / "package.tar.gz-1")
    told.append(start(arena))
    for ran in told:
        arena.holds(
            "it is not started", ran.code == 3 and ran.kind == "broken_store" and b"evil" not in ran.out, ran.text
        )
    naive = arena.run(
        ["python3", "-c", f"exec({text.replace('good', 'evil')!r})"], stdin=b'{"id":1,"method":"t.go"}\n', sane=False
    )
    arena.bites("what was written there does run", b"evil" in naive.out)
    return f"every file is hashed before each start: {told[0].report.get('message')}"


@attack("package/swapped-while-it-is-installed", 60)
def toctou(arena: Arena) -> str:
    """Replaces the archive again and again while it is checked and unpacked."""
    good, evil = pack(arena.file("good.tar.gz")).read_bytes(), pack(arena.file("evil.tar.gz"), says="evil").read_bytes()
    told = hashlib.sha256(good).hexdigest()
    archive, over, swaps = arena.dir / "package.tar.gz", threading.Event(), 0
    archive.write_bytes(good)

    def swap() -> None:
        nonlocal swaps
        while not over.is_set():
            for text in (evil, good):
                archive.write_bytes(text)
                swaps += 1

    swapper = threading.Thread(target=swap)
    swapper.start()
    taken = refused = 0
    for _ in range(25):
        ran = install(arena, archive, "--sha256", told)
        if ran.code == 0:
            taken += 1
            (text,) = [path.read_text() for path in (arena.dir / "store").rglob("plugin.py")]
            arena.holds("what is installed is what was told", "good" in text and "evil" not in text)
        else:
            refused += 1
        arena.plugline("remove", "--store", arena.dir / "store", "words")
        shutil.rmtree(arena.dir / "store", ignore_errors=True)
    over.set()
    swapper.join()
    arena.bites("it was swapped meanwhile", swaps > 50)
    return f"one copy is checked and unpacked: {taken} times the right one, {refused} times nothing, over {swaps} swaps"


@attack("package/options-for-git")
def git_options(arena: Arena) -> str:
    """Has an address that is an option or a command to git."""
    mark = arena.dir / "mark"
    addresses = [
        f"git+https://--upload-pack=touch {mark}/x",
        f"git+https://example.invalid/x#--upload-pack=touch${{IFS}}{mark}",
        f"git+ext::sh -c touch% {mark}",
        f"git+ssh://-oProxyCommand=touch {mark}/x",
        f"git+file://{arena.dir}/repository",
        f"--upload-pack=touch {mark}",
        f"git+https://example.invalid/$(touch {mark})",
    ]
    for address in addresses:
        ran = install(arena, address, seconds=20)
        arena.holds(f"{address} is refused", ran.code in (2, 3), ran.text)
        arena.holds(f"{address} runs nothing", not mark.exists(), address)
    control = subprocess.run(
        ["git", "clone", "-q", "-c", "protocol.ext.allow=always", f"ext::sh -c touch% {mark}", arena.dir / "x"],
        capture_output=True,
        check=False,
    )
    arena.bites("git does run such a command where it may", mark.exists() or control.returncode == 127)
    return "https alone, names that are no options, and no shell"


@attack("package/leftover-links-in-a-directory")
def directory_links(arena: Arena) -> str:
    """Is a directory with a link to a secret, to have it copied into the store."""
    secret = arena.dir / "secret"
    secret.write_text("hunter22")
    directory = arena.dir / "package"
    directory.mkdir()
    (directory / "plugline.toml").write_text(TOML.replace("{version}", "1.0.0"))
    (directory / "plugin.py").write_text(PLUGIN)
    (directory / "data").symlink_to(secret)
    ran = install(arena, directory)
    arena.holds("it is refused", ran.code == 3, ran.text)
    copies = [
        path
        for path in (arena.dir / "store").rglob("*")
        if path.is_file() and "hunter22" in path.read_text(errors="replace")
    ]
    arena.holds("no copy is in the store", not copies, copies)
    return str(ran.report.get("message"))
