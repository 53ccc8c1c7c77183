"""Attacks by a process: one that does not start, does not end, or does not leave others alone."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import actor
from actor import answer, behave, called, greet, receive
from arena import PLUGLINE, Arena, as_plugin, attack, is_alive, wait_for

SHORT = {"start_ms": 8000, "grace_ms": 200, "exit_ms": 200, "term_ms": 200}


def says_nothing() -> None:
    time.sleep(3600)


@attack("life/hangs-at-start")
def hangs_at_start(arena: Arena) -> str:
    """Starts, and never says anything."""
    ran = arena.call(says_nothing, options=["--start-timeout", "1s"])
    arena.holds("the start ends by its deadline", ran.kind == "handshake_timeout", ran.text)
    return "the timeout of the start: handshake_timeout after 1 s"


def refuses_to_go(pid_file: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    greet()
    request = called()
    Path(pid_file).write_text(str(os.getpid()))
    answer(request, "fine")
    while True:
        time.sleep(3600)


@attack("life/ignores-shutdown-and-sigterm")
def ignores_all(arena: Arena) -> str:
    """Answers no rpc.shutdown, heeds neither the end of its input nor SIGTERM."""
    pids = arena.file("pid")
    with arena.driver() as driver:
        plugin = driver.launch(refuses_to_go, pids, timeouts=SHORT)
        driver.call(plugin)
        stopped = driver.do("stop", plugin=plugin)
    arena.holds("it was killed", stopped["ok"] == {"code": None, "signal": 9, "rung": "killed"}, stopped)
    arena.holds("it is gone", not is_alive(int(pids.read_text())))
    return "the last rung of the ladder: SIGKILL to its group"


def stops_itself(pid_file: str) -> None:
    greet()
    called()
    Path(pid_file).write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)
    behave()


@attack("life/stops-itself")
def sigstop(arena: Arena) -> str:
    """Stops itself with SIGSTOP within a call, so that it takes no signal but SIGKILL."""
    pids = arena.file("pid")
    with arena.driver() as driver:
        plugin = driver.launch(stops_itself, pids, timeouts=SHORT)
        done = driver.call(plugin, timeout_ms=1000)
        stopped = driver.do("stop", plugin=plugin)
    arena.holds("the call ends by its deadline", done.get("err", {}).get("kind") == "timeout", done)
    arena.holds("it is gone", not is_alive(int(pids.read_text())), stopped)
    return f"the call's deadline, then the ladder ({stopped['ok']['rung']})"


def leaves_a_grandchild(pid_file: str) -> None:
    greet()
    request = called()
    child = os.fork()
    if child == 0:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while True:
            time.sleep(3600)
    Path(pid_file).write_text(str(child))
    answer(request, child)
    receive()
    os._exit(0)


@attack("life/grandchild-holds-the-pipes")
def grandchild(arena: Arena) -> str:
    """Ends, and leaves a child that holds all its pipes open and ignores SIGTERM."""
    pids = arena.file("pid")
    ran = arena.call(leaves_a_grandchild, pids)
    arena.holds("the call has its answer", ran.code == 0, ran.text)
    arena.holds("the host does not wait for the pipes", ran.seconds < 8, ran.seconds)
    arena.holds("the grandchild is gone", wait_for(lambda: not is_alive(int(pids.read_text())), 3))
    control = arena.file("pid")
    script = f"import os,sys,time\npid=os.fork()\nif pid==0: time.sleep(60)\nopen({str(control)!r},'w').write(str(pid))"
    naive = subprocess.run([sys.executable, "-c", script], check=True)
    left = int(control.read_text())
    arena.bites("a host that waits for its child alone leaves the grandchild", naive.returncode == 0 and is_alive(left))
    os.kill(left, signal.SIGKILL)
    return "what is left of a group is killed when its leader ends"


def forks_and_floods(pid_file: str) -> None:
    greet()
    request = called()
    pids = []
    for _ in range(50):
        child = os.fork()
        if child == 0:
            while True:
                time.sleep(3600)
        pids.append(child)
    Path(pid_file).write_text(json.dumps(pids))
    answer(request, "fine")
    while True:
        time.sleep(3600)


@attack("life/fifty-children")
def fifty_children(arena: Arena) -> str:
    """Starts fifty children, and does not end."""
    file = arena.file("pid")
    with arena.driver() as driver:
        plugin = driver.launch(forks_and_floods, file, timeouts=SHORT)
        driver.call(plugin)
        driver.do("stop", plugin=plugin)
    pids = json.loads(file.read_text())
    arena.holds("all are gone", wait_for(lambda: not any(map(is_alive, pids)), 3), pids)
    return "its process group: one signal ends all fifty-one"


def dies_each_time(count: str) -> None:
    with Path(count).open("a") as file:
        file.write("started\n")
    greet()
    os._exit(7)


@attack("life/crash-loop")
def crash_loop(arena: Arena) -> str:
    """Crashes whenever it is started, so that its host starts it for ever."""
    count = arena.file("count")
    with arena.driver() as driver:
        done = driver.do("launch", argv=as_plugin(dies_each_time, count), restart=True, timeouts=SHORT)
        if "ok" in done:
            plugin = done["ok"]["plugin"]
            wait_for(lambda: driver.call(plugin, timeout_ms=3000).get("err", {}).get("kind") == "crash_loop", 15)
            done = driver.call(plugin, timeout_ms=3000)
        before = len(count.read_text().splitlines())
        kind = done.get("err", {}).get("kind")
        arena.holds("the breaker has opened", kind == "crash_loop", done)
        for _ in range(20):
            driver.call(plugin, timeout_ms=500)
    starts = len(count.read_text().splitlines())
    arena.holds("it is not started any more", starts == before <= 12, before, starts)
    return f"backoff and a breaker: started {starts} times, then crash_loop"


def kills_its_group() -> None:
    greet()
    called()
    os.kill(0, signal.SIGKILL)
    time.sleep(3600)


@attack("life/kills-its-group")
def kills_group(arena: Arena) -> str:
    """Sends SIGKILL to its process group, to which a host might belong."""
    ran = arena.call(kills_its_group)
    arena.holds("the host lives to tell of it", ran.kind == "plugin_exited" and ran.report.get("signal") == 9, ran.text)
    return "a session and a group of its own: it killed itself alone"


def looks_around() -> None:
    greet()
    request = called()
    open_ = {}
    for each in os.listdir("/proc/self/fd"):
        try:
            open_[each] = os.readlink(f"/proc/self/fd/{each}")
        except OSError:
            pass  # The one that reads the directory.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        terminal = True
    except OSError:
        terminal = False
    mask = [each for each in Path("/proc/self/status").read_text().splitlines() if each[:6] in ("SigBlk", "SigIgn")]
    answer(request, {"fds": open_, "env": dict(os.environ), "tty": terminal, "signals": mask})
    behave()


@attack("life/inherits-descriptors")
def descriptors(arena: Arena) -> str:
    """Looks for descriptors that its host left open."""
    secret = arena.file("secret")
    secret.write_text("a secret")
    fd = os.open(secret, os.O_RDONLY)
    os.set_inheritable(fd, True)
    ran = arena.call(looks_around, pass_fds=[fd])
    seen = json.loads(ran.out)["fds"]
    arena.holds("it has three", sorted(seen) == ["0", "1", "2"], seen)
    control = arena.run(
        [sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))"], pass_fds=[fd], sane=False
    )
    arena.bites("a child of the usual kind has it", f"'{fd}'" in control.out.decode())
    os.close(fd)
    return "every descriptor but its three pipes is closed between fork and exec"


@attack("life/inherits-the-environment")
def environment(arena: Arena) -> str:
    """Looks for secrets in the environment of its host, and for variables that load code."""
    given = {
        "AWS_SECRET_ACCESS_KEY": "hunter22",
        "LD_PRELOAD_": "x",
        "PYTHONSTARTUP": "/evil",
        "GITHUB_TOKEN": "hunter23",
    }
    ran = arena.call(looks_around, env=given)
    seen = json.loads(ran.out)["env"]
    arena.holds("it has none of them", not set(given) & set(seen) and "hunter2" not in ran.text, seen)
    control = arena.run([sys.executable, "-c", "import os; print(os.environ)"], env=given, sane=False)
    arena.bites("a child of the usual kind has them", b"hunter22" in control.out)
    return f"an allow-list: {', '.join(sorted(seen))}"


@attack("life/reads-the-terminal")
def terminal(arena: Arena) -> str:
    """Opens the terminal of its host, to type there or to ask for a password."""
    command = [str(PLUGLINE), "--json", "call", "--command", " ".join(as_plugin(looks_around)), "t.go"]
    pid, master = pty.fork()
    if pid == 0:
        # To a file: the terminal itself has only what is for people.
        out = os.open(arena.dir / "result", os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.execve(command[0], command, arena.environment())
    seen = b""
    try:
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError:
        pass  # All that had it open have ended.
    os.close(master)
    os.waitpid(pid, 0)
    result = json.loads((arena.dir / "result").read_text())
    arena.holds("it has no terminal", result["tty"] is False, result, seen)
    return "a session of its own, which has no terminal"


def leaves_signals() -> None:
    looks_around()


@attack("life/inherits-signals")
def signals(arena: Arena) -> str:
    """Hopes for a host that ignores or blocks signals, so that it does too."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    ran = arena.call(leaves_signals)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for number, handler in zip((signal.SIGINT, signal.SIGUSR1), before, strict=True):
        signal.signal(number, handler)
    status = dict(each.split() for each in json.loads(ran.out)["signals"])
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25).
    own = 1 << 12 | 1 << 24
    arena.holds("nothing is blocked", int(status["SigBlk:"], 16) == 0, status)
    arena.holds("nothing is ignored that it did not ignore itself", int(status["SigIgn:"], 16) & ~own == 0, status)
    return "the default action for every signal, and an empty mask"


def outlives(pid_file: str) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    greet()
    Path(pid_file).write_text(str(os.getpid()))
    while True:
        time.sleep(3600)


@attack("life/outlives-its-host", 40)
def outlives_host(arena: Arena) -> str:
    """Ignores the end of its input and SIGTERM, and waits for its host to be killed."""
    pids = arena.file("pid")
    driver = subprocess.Popen(
        [str(PLUGLINE.parent / "plugline-conformance-driver")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=arena.environment(),
    )  # fmt: skip
    assert driver.stdin is not None, "piped"
    launch = {"seq": 1, "cmd": "launch", "argv": as_plugin(outlives, pids), "guard": True}
    driver.stdin.write(json.dumps(launch).encode() + b"\n")
    driver.stdin.flush()
    arena.holds("it starts", wait_for(lambda: pids.exists() and pids.read_text() != ""))
    pid = int(pids.read_text())
    driver.kill()
    driver.wait()
    arena.bites("it outlives its host at first", is_alive(pid))
    arena.holds("it is gone some seconds later", wait_for(lambda: not is_alive(pid), 15))
    return "the guard process (`Launch::guarded`): killed five seconds after its host"


def exits_under_way(pid_file: str) -> None:
    greet()
    called()
    actor.raw(b"not ")
    os._exit(3)


@attack("life/dies-under-load")
def dies_under_load(arena: Arena) -> str:
    """Ends while forty calls wait for it."""
    with arena.driver() as driver:
        plugin = driver.launch(exits_under_way, "-")
        calls = [driver.begin("call", plugin=plugin, method="t.go", timeout_ms=15000) for _ in range(40)]
        started = time.monotonic()
        kinds = [driver.end(call).get("err", {}).get("kind") for call in calls]
        took = time.monotonic() - started
    arena.holds("all fail at once, and know why", set(kinds) == {"plugin_exited"} and took < 8, kinds, took)
    return f"every pending call fails with the exit status, after {took:.1f} s"
