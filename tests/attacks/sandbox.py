"""Attacks from within a sandbox: a plugin that tries to get at files, networks, processes and more than its share.

Each is tried by the same plugin without the sandbox first, where that does no harm: there it works.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from actor import answer, called, greet
from arena import HERE, Arena, Message, attack

Try = Callable[..., object]
TRIES: dict[str, Try] = {}


def trial(function: Try) -> Try:
    TRIES[function.__name__] = function
    return function


def tries(what: str, *args: str) -> None:
    """Tries it when it is called, and says what came of it."""
    greet()
    request = called()
    try:
        result: object = {"done": TRIES[what](*(arg.removeprefix("arg:") for arg in args))}
    except OSError as fault:
        result = {"errno": errno.errorcode.get(fault.errno or 0, str(fault.errno))}
    except MemoryError:
        result = {"errno": "MemoryError"}
    answer(request, result)
    while True:
        answer(called(), "fine")


def hidden(arg: object) -> str:
    """An argument that is no path: files that are named on the command line may be read in the sandbox."""
    return f"arg:{arg}"


OF_THE_SYSTEM = Path("/usr/bin/python3")
"""An interpreter that every user may start, where there is one."""


def whose(bounded: bool) -> list[str]:
    """As whom a plugin runs whose host is root: the kernel does not count root's processes, so that another user is named,
    or that bound lifted. Where neither is said, the sandbox is refused."""
    if os.geteuid() != 0:
        return []
    if OF_THE_SYSTEM.exists():
        return ["--sandbox-user", "65534:65534"]
    return [] if bounded else ["--sandbox-processes", "none"]


def sandboxed(
    arena: Arena, what: str, *args: object, options: tuple[str, ...] = (), sane: bool = True, bounded: bool = False
) -> Message:
    """What comes of it in the sandbox."""
    place = arena.dir / "plugin"
    if not place.exists():
        place.mkdir()
        for each in HERE.glob("*.py"):
            shutil.copy(each, place)
    python = OF_THE_SYSTEM if OF_THE_SYSTEM.exists() else sys.executable
    reads = [place] if OF_THE_SYSTEM.exists() else [place, sys.base_prefix]
    command = " ".join([str(python), "-SB", str(place / "actor.py"), "sandbox", "tries", what, *map(hidden, args)])
    grants = [str(word) for path in reads for word in ("--sandbox-read", path)]
    words = ["--json", "call", "--timeout", "20s", "--sandbox", *whose(bounded), *grants, *options]
    ran = arena.plugline(*words, "--command", command, "t.go")
    if ran.code == 0:
        result: Message = json.loads(ran.out)
        return result
    error = ran.report
    refused = error.get("kind") == "unsupported" and "sandbox cannot be enforced" in str(error.get("message"))
    if refused:
        # A kernel that lacks something: nothing was started.
        return {"refused": error["message"]}
    arena.holds("the call ends as the sandbox has it", not sane, ran.text)
    return {"failed": error}


def free(arena: Arena, what: str, *args: object) -> Message:
    """What comes of it without."""
    ran = arena.call(tries, what, *args)
    result: Message = json.loads(ran.out) if ran.code == 0 else {"failed": ran.report}
    return result


def is_denied(arena: Arena, result: Message, *wanted: str) -> str:
    arena.holds(f"it is denied ({' or '.join(wanted)})", "refused" in result or result.get("errno") in wanted, result)
    return str(result.get("refused") or result["errno"])


@trial
def read(path: str) -> str:
    return Path(path).read_text()


@attack("sandbox/reads-secrets")
def reads_secrets(arena: Arena) -> str:
    """Reads the files of whoever runs the host: keys, tokens, the passwords of the machine."""
    secret = arena.dir / "id_ed25519"
    secret.write_text("hunter22")
    secret.chmod(0o644)
    told = ""
    for path in (
        secret,
        "/etc/shadow",
        "/etc/passwd",
        "/proc/1/environ",
        f"/proc/{os.getpid()}/environ",
        "/root/.ssh/id_rsa",
    ):
        result = sandboxed(arena, "read", path)
        told = is_denied(arena, result, "EACCES", "EPERM", "ENOENT", "ESRCH")
    arena.bites("without a sandbox it reads the key", free(arena, "read", secret) == {"done": "hunter22"})
    return f"Landlock: no file but those that were allowed ({told})"


@trial
def write(path: str) -> str:
    Path(path).write_text("evil")
    return "written"


@attack("sandbox/writes-outside")
def writes_outside(arena: Arena) -> str:
    """Writes to directories that anybody may write to, and beside itself."""
    arena.dir.chmod(0o777)
    told = ""
    for path in (
        arena.dir / "evil",
        "/tmp/plugline-attack-evil",
        arena.dir / "plugin" / "evil.py",
        "/dev/shm/plugline-attack-evil",
    ):
        told = is_denied(arena, sandboxed(arena, "write", path), "EACCES", "EPERM", "EROFS")
        arena.holds(f"{path} is not there", not Path(path).exists())
    arena.bites("without a sandbox it writes", free(arena, "write", arena.dir / "free") == {"done": "written"})
    return f"Landlock: it writes to its private directory alone ({told})"


@trial
def block_size(path: str) -> int:
    with open(path, "rb") as file:
        size = bytearray(4)
        fcntl.ioctl(file, 2, size)  # FIGETBSZ, which every file system knows
    return int.from_bytes(size, sys.byteorder)


@trial
def set_flags(path: str) -> str:
    get, put, no_access_time = 0x80086601, 0x40086602, 0x80  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_NOATIME_FL
    with open(path, "rb") as file:
        flags = bytearray(8)
        fcntl.ioctl(file, get, flags)
        changed = int.from_bytes(flags, sys.byteorder) | no_access_time
        fcntl.ioctl(file, put, changed.to_bytes(8, sys.byteorder))
    return "set"


@attack("sandbox/changes-attributes")
def changes_attributes(arena: Arena) -> str:
    """Asks the file system for attributes of a file that it may only read: no path is named, and nothing opened to write."""
    file = arena.dir / "mine"
    file.write_text("a file of the plugin's user")
    if os.geteuid() == 0 and OF_THE_SYSTEM.exists():
        os.chown(file, 65534, 65534)
    told = ""
    for what in ("block_size", "set_flags"):
        told = is_denied(arena, sandboxed(arena, what, file, options=("--sandbox-read", str(file))), "ENOTTY")
    arena.bites("without a sandbox the file system answers", free(arena, "block_size", file).get("done", 0) > 0)
    outcome = free(arena, "set_flags", file)
    arena.bites(
        "without a sandbox it sets them, if there are any here",
        outcome == {"done": "set"} or outcome.get("errno") in ("ENOTTY", "EOPNOTSUPP"),
    )
    return f"seccomp: no requests to file systems ({told})"


@trial
def connect(path: str, kind: str) -> str:
    if kind == "unix":
        with socket.socket(socket.AF_UNIX) as unix:
            unix.connect(path)
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as inet:
            inet.connect(("127.0.0.1", int(path)))
    return "connected"


@attack("sandbox/connects")
def connects(arena: Arena) -> str:
    """Connects to a socket of the machine and to its network, by TCP and by UDP."""
    path = arena.dir / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        told = is_denied(arena, sandboxed(arena, "connect", path, "unix"), "EACCES", "EPERM")
        for kind in ("tcp", "udp"):
            is_denied(arena, sandboxed(arena, "connect", 9, kind), "EACCES", "EPERM")
        arena.bites("without a sandbox it connects", free(arena, "connect", path, "unix") == {"done": "connected"})
    return f"seccomp: no socket of any family ({told})"


@trial
def fork(most: str) -> int:
    children: list[int] = []
    try:
        for _ in range(int(most)):
            child = os.fork()
            if child == 0:
                time.sleep(3600)
            children.append(child)
    except OSError:
        pass  # That is the limit.
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)


@attack("sandbox/fork-bomb")
def fork_bomb(arena: Arena) -> str:
    """Forks as often as it can."""
    result = sandboxed(arena, "fork", 1000, bounded=True)
    arena.holds("it has its limit", "refused" in result or result.get("done", 1000) <= 128, result)
    arena.bites("without a sandbox it has three hundred", free(arena, "fork", 300) == {"done": 300})
    return f"RLIMIT_NPROC: {result.get('refused') or str(result['done']) + ' processes of 1000'}"


@trial
def allocate(mebibytes: str) -> int:
    held = [bytearray(16 << 20) for _ in range(int(mebibytes) // 16)]
    return len(held) * 16


@attack("sandbox/fills-memory")
def fills_memory(arena: Arena) -> str:
    """Takes three GiB of memory."""
    result = sandboxed(arena, "allocate", 3072, sane=False)
    arena.holds("it does not get it", "done" not in result, result)
    arena.bites("without a sandbox it takes what it asks for", free(arena, "allocate", 256) == {"done": 256})
    return f"RLIMIT_DATA: {result.get('refused') or result.get('errno') or 'it was killed'} at 1 GiB"


@trial
def read_addresses(gibibytes: str) -> int:
    length, each = int(gibibytes) << 30, 2 << 20
    mapped = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    return sum(1 for at in range(0, length, each) if mapped[at] == 0)


@attack("sandbox/fills-page-tables")
def fills_page_tables(arena: Arena) -> str:
    """Reads a terabyte of nothing: it takes no memory of its own, and two GiB of the kernel's to say where it is."""
    result = sandboxed(arena, "read_addresses", 1024)
    told = is_denied(arena, result, "ENOMEM", "MemoryError")
    arena.bites("without a sandbox it reads what it asks for", free(arena, "read_addresses", 8) == {"done": 4096})
    return f"RLIMIT_AS: {told}"


@trial
def fill(mebibytes: str) -> int:
    # What a file may have at most is told by a signal, unless that is ignored.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with (Path(os.environ["TMPDIR"]) / "big").open("wb", buffering=0) as file:
        for _ in range(int(mebibytes)):
            file.write(bytes(1 << 20))
    return int(mebibytes)


@attack("sandbox/fills-the-disk")
def fills_disk(arena: Arena) -> str:
    """Writes a file of 64 MiB to its private directory, where 8 are allowed."""
    result = sandboxed(arena, "fill", 64, options=("--sandbox-file-size", "8M"))
    told = is_denied(arena, result, "EFBIG", "ENOSPC", "EDQUOT")
    arena.bites("without a sandbox it writes them", free(arena, "fill", 16) == {"done": 16})
    return f"RLIMIT_FSIZE: {told} at 8 MiB"


@trial
def trace() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    attach, detach = 16, 17
    parent = os.getppid()
    if libc.ptrace(attach, parent, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(parent, 0x40000000)
    libc.ptrace(detach, parent, 0, 0)
    return "traced"


@trial
def memory_of_parent() -> str:
    with open(f"/proc/{os.getppid()}/mem", "rb", buffering=0):
        return "opened"


@attack("sandbox/traces-its-host")
def traces(arena: Arena) -> str:
    """Attaches to its host as a debugger does, and opens its memory."""
    told = is_denied(arena, sandboxed(arena, "trace"), "EPERM", "EACCES", "ENOSYS", "ESRCH")
    is_denied(arena, sandboxed(arena, "memory_of_parent"), "EACCES", "EPERM", "ENOENT")
    if os.geteuid() == 0:
        arena.bites("without a sandbox it opens the memory", free(arena, "memory_of_parent") == {"done": "opened"})
    return f"seccomp, and Landlock, which lets nobody trace out of it ({told})"


@trial
def send_signal(pid: str) -> str:
    os.kill(int(pid) or os.getppid(), 0)
    return "sent"


@attack("sandbox/signals-others")
def signals_others(arena: Arena) -> str:
    """Sends signals to its host and to other processes of its user."""
    other = subprocess.Popen(["sleep", "60"], user=65534 if os.geteuid() == 0 else None)
    told = is_denied(arena, sandboxed(arena, "send_signal", other.pid), "EPERM", "ESRCH")
    is_denied(arena, sandboxed(arena, "send_signal", 0), "EPERM", "ESRCH")
    arena.bites("without a sandbox it may", free(arena, "send_signal", other.pid) == {"done": "sent"})
    other.kill()
    other.wait()
    return f"Landlock: signals stay within ({told})"


@trial
def leave_group() -> str:
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os._exit(0)
        except OSError:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise PermissionError(errno.EPERM, "setsid")
    return "left"


@attack("sandbox/daemonises")
def daemonises(arena: Arena) -> str:
    """Starts a session of its own, so that the signal to its group does not reach it."""
    told = is_denied(arena, sandboxed(arena, "leave_group"), "EPERM")
    arena.bites("without a sandbox it leaves its group", free(arena, "leave_group") == {"done": "left"})
    return f"seccomp: nobody leaves the group ({told})"


@trial
def privileges() -> Message:
    libc = ctypes.CDLL(None, use_errno=True)
    pr_get_no_new_privs, version_3 = 39, 0x20080522
    # struct __user_cap_header_struct, and two of __user_cap_data_struct: effective, permitted, inheritable (capget(2)).
    header, data = (ctypes.c_uint32 * 2)(version_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    return {"no_new_privs": libc.prctl(pr_get_no_new_privs, 0, 0, 0, 0), "capabilities": list(data)}


@trial
def new_user_namespace() -> str:
    clone_newuser = 0x10000000
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newuser) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    return "made"


@attack("sandbox/gains-privileges")
def gains_privileges(arena: Arena) -> str:
    """Looks for capabilities, and makes a namespace in which it would have all of them."""
    result = sandboxed(arena, "privileges")
    told = "refused"
    if "refused" not in result:
        has = result["done"]
        arena.holds("it gains none by another program", has["no_new_privs"] == 1, has)
        arena.holds("it has none", has["capabilities"] == [0] * 6, has)
        told = "no_new_privs, and no capability in any set"
    is_denied(arena, sandboxed(arena, "new_user_namespace"), "EPERM", "EACCES", "ENOSYS")
    return f"no new privileges, no capability, no namespace ({told})"


@trial
def open_many(count: str) -> int:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held: list[int] = []
    try:
        for _ in range(int(count)):
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass  # That is the limit.
    return len(held)


@attack("sandbox/opens-too-many-files")
def opens_many(arena: Arena) -> str:
    """Raises its limit of descriptors, and opens two thousand."""
    result = sandboxed(arena, "open_many", 2000)
    arena.holds("it has its limit", "refused" in result or result.get("done", 2000) < 256, result)
    return f"RLIMIT_NOFILE, hard and soft: {result.get('refused') or str(result['done']) + ' of 2000'}"


@trial
def surroundings() -> dict[str, str]:
    return dict(os.environ)


@attack("sandbox/looks-at-the-environment")
def looks_at_environment(arena: Arena) -> str:
    """Looks for the home, the names and the sockets of its user in the environment."""
    result = sandboxed(arena, "surroundings")
    if "refused" in result:
        return str(result["refused"])
    seen = result["done"]
    home = str(arena.dir / "home")
    arena.holds(
        "the home of the user is not in it",
        home not in seen.values() and not {"USER", "LOGNAME", "SHELL"} & set(seen),
        seen,
    )
    return f"an environment of its own: {', '.join(sorted(seen))}"


@trial
def spin() -> str:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        pass
    return "spun"


@attack("sandbox/burns-the-processor")
def burns(arena: Arena) -> str:
    """Computes without end."""
    result = sandboxed(arena, "spin", options=("--sandbox-cpu", "1s"), sane=False)
    ended = result.get("failed", {})
    arena.holds("it is ended", "refused" in result or ended.get("signal") in (signal.SIGXCPU, signal.SIGKILL), result)
    return f"RLIMIT_CPU: {result.get('refused') or 'signal ' + str(ended.get('signal')) + ' after 1 s'}"
