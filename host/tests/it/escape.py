"""A plugin that tries to get out of its sandbox: each method is one attempt.

    escape.py FILE

What came of it is the result: {"did": what it gives} or {"refused": the name of the error}. The ids of its processes, its
own first, go into the file, if that may be.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from speech import Message, answer, receive, refuse

Attempt = Callable[[Message], object]

ATTEMPTS: dict[str, Attempt] = {}
libc = ctypes.CDLL(None, use_errno=True)


def attempt(function: Attempt) -> Attempt:
    ATTEMPTS["t." + function.__name__] = function
    return function


@attempt
def read(params: Message) -> object:
    with open(params["path"], "rb") as file:
        return file.read(64).decode(errors="replace")


@attempt
def list(params: Message) -> object:
    return sorted(os.listdir(params["path"]))


@attempt
def write(params: Message) -> object:
    with open(params["path"], "w") as file:
        return file.write("written by a plugin")


@attempt
def truncate(params: Message) -> None:
    os.truncate(params["path"], 0)


@attempt
def remove(params: Message) -> None:
    os.remove(params["path"])


@attempt
def rename(params: Message) -> None:
    os.rename(params["path"], params["to"])


@attempt
def link(params: Message) -> None:
    os.link(params["path"], os.path.join(private(), "hard"))


@attempt
def through_a_link(params: Message) -> object:
    """Reads by a symbolic link of its own, or writes by it."""
    mine = os.path.join(private(), "link")
    with contextlib.suppress(FileNotFoundError):
        os.remove(mine)
    os.symlink(params["path"], mine)
    return write({"path": mine}) if params.get("write") else read({"path": mine})


@attempt
def chmod(params: Message) -> None:
    os.chmod(params["path"], 0o777)


@attempt
def utime(params: Message) -> None:
    os.utime(params["path"], (1, 1))


@attempt
def setxattr(params: Message) -> None:
    os.setxattr(params["path"], "user.plugin", b"was here")


@attempt
def set_flags(params: Message) -> object:
    """Attributes of a file that it may read; FS_IOC_GETFLAGS and FS_IOC_SETFLAGS."""
    with open(params["path"], "rb") as file:
        flags = bytearray(8)
        fcntl.ioctl(file, 0x80086601, flags)
        no_access_time = int.from_bytes(flags, sys.byteorder) | 0x80
        fcntl.ioctl(file, 0x40086602, no_access_time.to_bytes(8, sys.byteorder))
    return None


@attempt
def device(params: Message) -> object:
    path = os.path.join(params["in"], "device")
    os.mknod(path, 0o20600, os.makedev(1, 5))
    os.remove(path)
    return None


@attempt
def execute_what_it_wrote(params: Message) -> object:
    path = os.path.join(params["in"], "program")
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o755)
    os.write(descriptor, b"#!/bin/sh\necho ran\n")
    os.close(descriptor)
    return subprocess.run([path], capture_output=True, check=True, text=True).stdout.strip()


@attempt
def run(params: Message) -> object:
    return subprocess.run(params["words"], capture_output=True, check=True, text=True).stdout.strip()


@attempt
def use_private(_: Message) -> object:
    """All that one does with files, in the directory that is for it."""
    inner = os.path.join(private(), "a", "b")
    os.makedirs(inner)
    with open(os.path.join(inner, "file"), "w") as file:
        file.write("kept")
    os.rename(os.path.join(inner, "file"), os.path.join(private(), "moved"))
    # Another directory, which some versions of Landlock do not allow at all.
    os.replace(os.path.join(private(), "moved"), os.path.join(inner, "back"))
    with open(os.path.join(inner, "back")) as file:
        return file.read()


@attempt
def nest(params: Message) -> object:
    """Directories within one another, the deepest closed to everybody."""
    os.chdir(private())
    for _ in range(params["depth"]):
        os.mkdir("d")
        os.chdir("d")
    os.mkdir("closed", 0)
    os.chdir(private())
    return None


def private() -> str:
    return os.environ["TMPDIR"]


@attempt
def opened(_: Message) -> object:
    return private()


@attempt
def make_socket(params: Message) -> object:
    socket.socket(params["family"], params["kind"], params.get("protocol", 0)).close()
    return None


@attempt
def connect(params: Message) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
        link.settimeout(5)
        link.connect(("127.0.0.1", params["port"]))
    return None


@attempt
def bind(_: Message) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
        # No address of a network that may not be there.
        link.bind(("0.0.0.0", 0))
    return None


@attempt
def pair(params: Message) -> object:
    here, there = socket.socketpair(socket.AF_UNIX, params["kind"])
    here.send(b"x")
    came = there.recv(1)
    here.close()
    there.close()
    return came.decode()


@attempt
def fork(params: Message) -> object:
    """So many children that wait for their end; how many it came to, where that is fewer."""
    read_end, write_end = os.pipe()
    count = 0
    stopped = None
    for _ in range(params["count"]):
        try:
            child = os.fork()
        except OSError as fault:
            stopped = errno.errorcode[fault.errno or 0]
            break
        if child == 0:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)
        count += 1
    os.close(write_end)
    os.close(read_end)
    for _ in range(count):
        os.wait()
    return [count, stopped]


@attempt
def threads(params: Message) -> object:
    end = threading.Event()
    running = []
    stopped = None
    threading.stack_size(64 * 1024)
    for _ in range(params["count"]):
        thread = threading.Thread(target=end.wait)
        try:
            thread.start()
        except RuntimeError:
            stopped = "EAGAIN"
            break
        running.append(thread)
    end.set()
    for thread in running:
        thread.join()
    return [len(running), stopped]


@attempt
def allocate(params: Message) -> object:
    try:
        return len(bytearray(params["bytes"]))
    except MemoryError:
        raise OSError(errno.ENOMEM, "no memory") from None


@attempt
def map_for_reading(params: Message) -> object:
    """Takes no memory until it is read, and then only the kernel's tables of it."""
    return len(mmap.mmap(-1, params["bytes"], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ))


@attempt
def share_memory(params: Message) -> object:
    return len(mmap.mmap(-1, params["bytes"]))


@attempt
def allocate_as_a_stack(params: Message) -> object:
    grows_down = 0x100
    return len(mmap.mmap(-1, params["bytes"], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | grows_down))


@attempt
def fill(params: Message) -> object:
    with open(os.path.join(params["in"], "large"), "wb") as file:
        file.writelines(bytes(4096) for _ in range(params["bytes"] // 4096))
        file.flush()
        size = file.tell()
    os.remove(file.name)
    return size


@attempt
def burn(params: Message) -> object:
    start = time.process_time()
    while time.process_time() - start < params["seconds"]:
        pass
    return None


@attempt
def open_many(params: Message) -> object:
    opened = []
    stopped = None
    for _ in range(params["count"]):
        try:
            opened.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as fault:
            stopped = errno.errorcode[fault.errno or 0]
            break
    for descriptor in opened:
        os.close(descriptor)
    return [len(opened), stopped]


@attempt
def kill(params: Message) -> None:
    os.kill(params["pid"], params["signal"])


@attempt
def kill_itself(_: Message) -> object:
    """Signals within the sandbox are its own affair."""
    child = subprocess.Popen(["sleep", "1000"])
    child.terminate()
    return child.wait()


@attempt
def call(params: Message) -> object:
    """A system call by its number."""
    arguments = [ctypes.c_long(argument) for argument in params["arguments"]]
    returned = libc.syscall(ctypes.c_long(params["number"]), *arguments)
    if returned == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return returned


@attempt
def peek(params: Message) -> object:
    """Reads a byte of another process's memory."""
    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    byte = ctypes.create_string_buffer(1)
    here = Part(ctypes.addressof(byte), 1)
    there = Part(params["address"], 1)
    number = ctypes.c_long(params["number"])
    pid = ctypes.c_long(params["pid"])
    one, zero = ctypes.c_long(1), ctypes.c_long(0)
    if libc.syscall(number, pid, ctypes.byref(here), one, ctypes.byref(there), one, zero) == -1:
        number_of_error = ctypes.get_errno()
        raise OSError(number_of_error, os.strerror(number_of_error))
    return byte.raw[0]


@attempt
def trace(params: Message) -> object:
    seize, interrupt, detach, all_children = 0x4206, 0x4207, 17, 0x40000000
    pid = params["pid"]
    if libc.ptrace(seize, pid, None, None) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    # Only who has stopped can be let go of; until then, nobody else sees its end.
    libc.ptrace(interrupt, pid, None, None)
    os.waitpid(pid, all_children)
    return libc.ptrace(detach, pid, None, None)


@attempt
def limit(params: Message) -> object:
    return resource.prlimit(params["pid"], resource.RLIMIT_NOFILE)


@attempt
def raise_limit(params: Message) -> None:
    kind = getattr(resource, params["kind"])
    _, hard = resource.getrlimit(kind)
    try:
        resource.setrlimit(kind, (hard + 1, hard + 1))
    except ValueError:
        # So Python says that it is not permitted.
        raise OSError(errno.EPERM, "not permitted") from None


@attempt
def limits(_: Message) -> object:
    names = ["CORE", "DATA", "AS", "NPROC", "NOFILE", "FSIZE", "CPU", "MSGQUEUE", "RTPRIO", "NICE"]
    return {name: [*resource.getrlimit(getattr(resource, "RLIMIT_" + name))] for name in names}


@attempt
def affinity(params: Message) -> None:
    os.sched_setaffinity(params["pid"], os.sched_getaffinity(params["pid"]))


@attempt
def priority(params: Message) -> None:
    os.setpriority(os.PRIO_PROCESS, params["pid"], os.getpriority(os.PRIO_PROCESS, params["pid"]))


@attempt
def leave(params: Message) -> object:
    """A child that would outlive the plugin, in a session or group of its own."""
    child = os.fork()
    if child == 0:
        try:
            (os.setsid if params["how"] == "session" else os.setpgrp)()
        except OSError as fault:
            os._exit(fault.errno or 255)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))
    return None


@attempt
def leave_behind(_: Message) -> object:
    """A grandchild that heeds nothing."""
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.closerange(0, 3)
            while True:
                with contextlib.suppress(OSError), open(os.path.join(private(), str(time.time_ns())), "w"):
                    pass
        os._exit(0)
    os.waitpid(child, 0)
    return None


@attempt
def privileges(_: Message) -> object:
    """Whether it has no_new_privs, and how many capabilities it could have at most."""
    no_new, bounding = 39, 23
    held = sum(libc.prctl(bounding, number, 0, 0, 0) == 1 for number in range(64))
    return [libc.prctl(no_new, 0, 0, 0, 0), held]


@attempt
def descriptors(_: Message) -> object:
    def is_open(descriptor: int) -> bool:
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True

    return [descriptor for descriptor in range(1024) if is_open(descriptor)]


@attempt
def environment(_: Message) -> object:
    return dict(os.environ)


@attempt
def who(_: Message) -> object:
    return {"pid": os.getpid(), "parent": os.getppid(), "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups()}


def serve() -> None:
    with contextlib.suppress(OSError), open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\n")
    while (request := receive()) is not None:
        name, params = request.get("method"), request.get("params", {})
        if name == "rpc.initialize":
            hello: dict[str, Any] = {"protocolVersion": 1, "plugin": {"name": "escape", "version": "1.0.0"}, "provides": []}
            answer(request, hello)
        elif name in ("rpc.ping", "rpc.shutdown"):
            answer(request, {} if name == "rpc.ping" else None)
        elif name in ATTEMPTS:
            try:
                answer(request, {"did": ATTEMPTS[name](params)})
            except OSError as fault:
                answer(request, {"refused": errno.errorcode.get(fault.errno or 0, str(fault))})
            except subprocess.CalledProcessError as fault:
                answer(request, {"refused": f"status {fault.returncode}: {fault.stderr}"})
        elif "id" in request:
            refuse(request, -32601)


serve()
