/** A host, and a plugin that breaks the rules: `node faults.js COMMAND…`, to which the way is added that it goes wrong. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { FaultyClient } from "./faulty.js";
import { Failure, Plugin, type StartOptions } from "./runtime.js";

const command = process.argv.slice(2);

async function fails(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (fault) {
    assert(fault instanceof Failure, String(fault));
    return fault;
  }
  return assert.fail("it did not fail");
}

/** Whether a process is there and no zombie. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  for (let look = 0; lives(pid); look += 1) {
    assert(look < 1000, `process ${pid} lives on`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// What is signalled.
const signalled: string[] = [];
const kill = process.kill.bind(process);
process.kill = (pid, signal) => {
  signalled.push(`${signal} to ${pid < 0 ? "the group" : "a process"}`);
  return kill(pid, signal);
};

interface Started {
  plugin: Plugin;
  faulty: FaultyClient;
  pid: number;
  noticed: () => string[];
  stray: string[];
}

async function start(way: string, options: StartOptions = {}): Promise<Started> {
  let told = "";
  const stray: string[] = [];
  const plugin = await Plugin.start([...command, way], {
    closeMs: 100,
    termMs: 100,
    onStderr: (text) => (told += text),
    onStray: (line) => stray.push(line),
    ...options,
  });
  const faulty = await plugin.client(FaultyClient);
  signalled.length = 0;
  const pid = Number(plugin.about.name.split("-")[1]);
  return { plugin, faulty, pid, noticed: () => told.trim().split("\n"), stray };
}

// The ladder, as far down as each makes it go. Whoever yields late gets the time it needs.
{
  const { plugin, pid, noticed } = await start("polite", { closeMs: 60_000 });
  await plugin.stop();
  assert.deepEqual(noticed(), ["shutdown", "end of input"]);
  assert(!lives(pid));
  assert.deepEqual(signalled, ["SIGKILL to the group"], "what is left of it, when its leader has ended");
}
{
  const { plugin, noticed } = await start("deaf", { closeMs: 60_000 });
  await plugin.stop(10);
  assert.deepEqual(noticed(), ["shutdown", "end of input"]);
  assert.deepEqual(signalled, ["SIGKILL to the group"]);
}
{
  const { plugin, pid, noticed } = await start("yielding", { termMs: 60_000 });
  await plugin.stop();
  // Whether it gets to the end of its input before it is told to end is its own affair.
  const told = noticed().filter((what) => what !== "end of input");
  assert.deepEqual(told, ["shutdown", "SIGTERM"]);
  assert(!lives(pid));
  assert.deepEqual(signalled, ["SIGTERM to the group", "SIGKILL to the group"]);
}
{
  const { plugin, pid, noticed } = await start("stubborn");
  await plugin.stop();
  assert.equal(noticed()[0], "shutdown");
  assert(!lives(pid));
  assert.deepEqual(signalled, ["SIGTERM to the group", "SIGKILL to the group", "SIGKILL to the group"]);
}

// It never gets as far as a handshake.
const silent = await fails(start("silent", { startTimeoutMs: 100 }));
assert.equal(silent.kind, "handshake_timeout");
const early = await fails(start("early"));
assert.equal(early.kind, "plugin_exited", early.message);
assert.equal(early.evidence.exitCode, 7);
assert.match(early.evidence.stderrTail ?? "", /on its way out/);

// It ends, with calls in flight: each has failed, and says of what.
for (const [how, exitCode, signal] of [
  ["exit", 3, undefined],
  ["kill", undefined, "SIGKILL"],
] as const) {
  const { plugin, faulty, pid } = await start("polite");
  const waiting = fails(faulty.hang());
  const ended = await fails(faulty[how]());
  for (const fault of [ended, await waiting]) {
    assert.equal(fault.kind, "plugin_exited", fault.message);
    assert.equal(fault.evidence.exitCode, exitCode);
    assert.equal(fault.evidence.signal, signal);
  }
  assert.equal((await fails(faulty.hang())).kind, "plugin_exited");
  await plugin.stop();
  assert(!lives(pid));
}

// It speaks out of turn.
for (const way of ["garbage", "spoilt"] as const) {
  const { faulty, pid } = await start("polite");
  const waiting = fails(faulty.hang());
  const broken = await fails(faulty[way]());
  assert.equal(broken.kind, "protocol_violation", broken.message);
  assert.equal((await waiting).kind, "protocol_violation");
  await gone(pid);
}
{
  const { plugin, faulty, stray } = await start("polite");
  assert.equal(await faulty.stray(), 1);
  assert.deepEqual(stray, ["printed \\u{1b}[31m by a library"]);
  const wrong = await fails(faulty.wrong());
  assert.equal(wrong.kind, "protocol_violation");
  assert.match(wrong.message, /faulty\.wrong/);
  // It hangs: that is the call's own end, and no more.
  assert.equal((await fails(faulty.hang({ timeoutMs: 20 }))).kind, "timeout");
  assert.equal(await faulty.stray(), 1);
  await plugin.stop();
}

// It closes its output and lives: it is ended.
{
  const { faulty, pid } = await start("stubborn");
  const closed = await fails(faulty.close());
  assert.equal(closed.kind, "closed", closed.message);
  await gone(pid);
}

// Its leader ends, and leaves one behind who holds the pipes: it delays nothing, and is ended; and once the leader is
// gone, nothing is signalled any more.
{
  const { plugin, faulty, pid } = await start("polite");
  const left = await faulty.leave();
  assert(lives(left));
  assert.equal((await fails(faulty.exit())).kind, "plugin_exited");
  await gone(left);
  assert(!lives(pid));
  await plugin.stop();
  assert.deepEqual(signalled, ["SIGKILL to the group"]);
}
console.log("ok");
