/**
 * The TypeScript host under the conformance runner's orders: commands as JSON lines on standard input, answers and events
 * as JSON lines on standard output, in any order (`conformance/cases/host.md`).
 *
 * It adds nothing to the run-time and hides nothing of it: a command is a call of its API, an answer what came of it.
 */
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { anyMethod } from "./method.js";
import {
  Failure,
  Plugin,
  RemoteError,
  contract,
  implement,
  type Call,
  type Implementation,
  type JsonObject,
  type StartOptions,
} from "./runtime.js";

const FEATURES = ["cancel", "streams", "callbacks", "notifications"];
/** What nests deeper no driver can pass on. */
const DEEPEST = 90;
/** So many events wait for a user who takes none. */
const EVENTS = 1000;

interface Command {
  seq: number;
  cmd: string;
  plugin: string;
  call: number;
  [name: string]: unknown;
}

interface Timeouts {
  start_ms?: number | null;
  grace_ms?: number;
  exit_ms?: number;
  term_ms?: number;
}

/** An error of the driver's own. */
class Refused extends Error {
  constructor(
    readonly kind: string,
    message: string,
  ) {
    super(message);
  }
}

/** What waits while its user takes nothing. */
class Gate {
  #opened: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  #events: JsonObject[] = [];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  close(): void {
    this.#closed ??= new Promise((resolve) => (this.#opened = resolve));
  }

  open(): void {
    this.#closed = undefined;
    this.#opened?.();
    this.#events.splice(0).forEach((event) => this.tell(event));
  }

  async passed(): Promise<void> {
    await this.#closed;
  }

  tell(event: JsonObject): void {
    if (!this.#closed) {
      say({ plugin: this.#name, ...event });
    } else if (this.#events.length < EVENTS || event["event"] === "exited") {
      this.#events.push(event);
    }
  }
}

interface Launched {
  plugin: Plugin;
  gate: Gate;
  grace: number | undefined;
  state: "running" | "dropped" | "stopped";
}

interface Feed {
  seq: number;
  items: unknown[] | undefined;
}

/** What a call may be told while it runs. */
class Handle {
  readonly abort = new AbortController();
  #feeds: Feed[] = [];
  #allowed: number;
  #wake = (): void => undefined;

  constructor(take: unknown) {
    this.#allowed = typeof take === "number" ? take : Infinity;
  }

  allow(more: number): void {
    this.#allowed += more;
    this.#wake();
  }

  cancel(): void {
    this.abort.abort();
    this.#wake();
  }

  /** Until its user takes one more. */
  async taken(): Promise<void> {
    while (this.#allowed <= 0 && !this.abort.signal.aborted) {
      await this.#change();
    }
    this.#allowed -= 1;
  }

  feed(feed: Feed): void {
    this.#feeds.push(feed);
    this.#wake();
  }

  /** The call's input, as it is fed. Who takes it asks for more when the item before is written. */
  async *items(): AsyncGenerator<unknown, void, void> {
    for (;;) {
      const [next] = this.#feeds;
      if (!next) {
        await this.#change();
        continue;
      }
      yield* next.items ?? [];
      this.#feeds.shift();
      say({ seq: next.seq, ok: {} });
      if (!next.items) {
        return;
      }
    }
  }

  /** Answers for what was fed and not taken. */
  end(fault: unknown): void {
    this.#feeds.splice(0).forEach(({ seq }) => say({ seq, err: told(fault) }));
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}

const plugins = new Map<string, Launched>();
const calls = new Map<number, Handle>();
let launched = 0;

function say(line: JsonObject): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** A failure, with all that is known of it. */
function told(fault: unknown): JsonObject {
  if (!(fault instanceof Failure)) {
    const kind = fault instanceof Refused ? fault.kind : "invalid_request";
    return { kind, message: String(fault) };
  }
  const { kind, message, evidence, cause } = fault;
  const remote = [fault, cause].find((each) => each instanceof RemoteError);
  const { signal } = evidence;
  return {
    kind,
    message,
    ...(remote && { code: remote.code, data: remote.data ?? null }),
    command: evidence.command?.split(" "),
    phase: evidence.phase,
    exit_code: evidence.exitCode,
    signal: signal && constants.signals[signal as NodeJS.Signals],
    stderr_tail: evidence.stderrTail?.split("\n"),
    stray: evidence.stray,
  };
}

/** Whether it nests deeper than that. */
function isDeeper(value: unknown, levels: number): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    (levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1)))
  );
}

/** Those methods of the contract `conf_host` that are asked for. */
function served(wanted: readonly string[], gate: Gate): Implementation[] {
  const notes: string[] = [];
  const target = {
    echo: ({ value }: { value: unknown }) => value,
    fail: ({ code, message, data }: { code: number; message: string; data?: unknown }) => {
      throw new RemoteError(code, message, data);
    },
    call: ({ method, params }: { method: string; params: object }, call: Call) =>
      call.request(anyMethod(method), "call", params),
    panic: () => {
      throw new Error("as the runner wanted");
    },
    note: async ({ text }: { text: string }) => {
      await gate.passed();
      notes.push(text);
    },
    notes: () => notes,
  };
  const text = { type: "string" };
  const params: Record<keyof typeof target, [name: string, schema: unknown, required?: boolean][]> = {
    echo: [["value", true]],
    fail: [["code", { type: "integer" }], ["message", text], ["data", true, false]],
    call: [["method", text], ["params", { type: "object" }]],
    panic: [],
    note: [["text", text]],
    notes: [],
  };
  const names = (Object.keys(params) as (keyof typeof target)[]).filter((name) =>
    wanted.includes(`conf_host.${name}`),
  );
  const hostMethods = names.map((name) => ({
    name: `conf_host.${name}`,
    params: params[name].map(([name, schema, required = true]) => ({ name, schema, required })),
    ...(name !== "note" && { result: { name: "result", schema: true } }),
  }));
  const members = names.map((name) => [name, { member: name, errors: "any" }] as const);
  const document = { "x-plugline": { hostMethods } };
  const host = contract<typeof target>(document, "conf_host", "host", Object.fromEntries(members));
  return names.length > 0 ? [implement(host, target)] : [];
}

function find(command: Command): Launched {
  const found = plugins.get(command.plugin);
  if (!found || found.state === "dropped") {
    throw new Refused("closed", "no such plugin, or it was dropped");
  }
  return found;
}

function handle(command: Command): Handle {
  const found = calls.get(command.call);
  if (!found) {
    throw new Refused("closed", "no such call, or it has ended");
  }
  return found;
}

function options(command: Command, gate: Gate): StartOptions {
  const { start_ms, exit_ms, term_ms } = (command["timeouts"] ?? {}) as Timeouts;
  return {
    ...("config" in command && { config: command["config"] }),
    ...(command["env"] !== undefined && { env: command["env"] as Record<string, string> }),
    ...(command["limits"] !== undefined && { limits: command["limits"] as JsonObject }),
    ...(start_ms !== undefined && { startTimeoutMs: start_ms ?? Infinity }),
    ...(exit_ms !== undefined && { closeMs: exit_ms }),
    ...(term_ms !== undefined && { termMs: term_ms }),
    serves: served((command["callbacks"] ?? []) as string[], gate),
    onLog: (log) => gate.tell({ event: "log", source: "plugin", ...log }),
    onStray: (text) => gate.tell({ event: "stray", text }),
    onUnhealthy: () => gate.tell({ event: "unhealthy" }),
  };
}

async function launch(command: Command): Promise<JsonObject> {
  if (command["strict"] || command["guard"] || command["restart"]) {
    throw new Refused("unsupported", "this host has no such thing");
  }
  launched += 1;
  const name = `p${launched}`;
  const gate = new Gate(name);
  gate.close();
  const plugin = await Plugin.start(command["argv"] as string[], options(command, gate));
  const { grace_ms: grace } = (command["timeouts"] ?? {}) as Timeouts;
  plugins.set(name, { plugin, gate, grace, state: "running" });
  void plugin.exited.then(({ code, signal, wanted, stderrTail }) =>
    gate.tell({
      event: "exited",
      code: code ?? null,
      signal: signal === undefined ? null : constants.signals[signal as NodeJS.Signals],
      wanted,
      stderr_tail: stderrTail.split("\n"),
    }),
  );
  // Nobody knows its name before the answer.
  setImmediate(() => gate.open());
  return { plugin: name, pid: plugin.pid };
}

async function call(command: Command): Promise<JsonObject> {
  const { plugin } = find(command);
  const { seq } = command;
  const method = command["method"] as string;
  const handle = new Handle(command["take"]);
  calls.set(seq, handle);
  const params = (command["params"] ?? {}) as JsonObject;
  const timeoutMs = command["timeout_ms"] as number | null | undefined;
  const made = {
    timeoutMs: timeoutMs === null ? Infinity : (timeoutMs ?? 30_000),
    signal: handle.abort.signal,
    onProgress: (progress: object) => say({ seq, progress }),
  };
  const [input, output] = [command["input"] === true, Boolean(command["output"])];
  try {
    const asked = anyMethod(method, { input, output });
    let result: unknown;
    if (input || output) {
      const stream = plugin.stream(asked, "call", params, input ? handle.items() : undefined, made);
      const items = stream[Symbol.asyncIterator]();
      for (let ended = !output; !ended;) {
        await handle.taken();
        const step = await items.next();
        ended = step.done === true;
        if (!ended && command["output"] === true) {
          say({ seq, item: step.value });
        }
      }
      result = await stream.result;
    } else {
      result = await plugin.request(asked, "call", params, made);
    }
    if (isDeeper(result, DEEPEST)) {
      throw new Refused("protocol_violation", `a result that nests deeper than ${DEEPEST}`);
    }
    handle.end(new Refused("closed", "the call has ended"));
    return { result: result ?? null };
  } catch (fault) {
    handle.end(fault);
    throw fault;
  } finally {
    calls.delete(seq);
  }
}

type Answer = JsonObject | undefined | Promise<JsonObject>;

const commands: Record<string, (command: Command) => Answer> = {
  hello: () => ({ driver: "plugline typescript", features: FEATURES }),
  launch,
  call,
  take: (command) => {
    handle(command).allow(command["n"] as number);
    return {};
  },
  cancel: (command) => {
    handle(command).cancel();
    return {};
  },
  notify: (command) => {
    const params = (command["params"] ?? {}) as JsonObject;
    find(command).plugin.notify(anyMethod(command["method"] as string), "call", params);
    return {};
  },
  input: (command) => {
    handle(command).feed({ seq: command.seq, items: command["items"] as unknown[] });
    return undefined;
  },
  input_end: (command) => {
    handle(command).feed({ seq: command.seq, items: undefined });
    return undefined;
  },
  state: (command) => {
    const { plugin, state } = find(command);
    return { state, pid: plugin.pid, plugin: plugin.about };
  },
  hold: (command) => {
    find(command).gate.close();
    return {};
  },
  release: (command) => {
    find(command).gate.open();
    return {};
  },
  stop: async (command) => {
    const found = find(command);
    const { code, signal, rung } = await found.plugin.stop(found.grace);
    found.state = "stopped";
    const number = signal && constants.signals[signal as NodeJS.Signals];
    return { code: code ?? null, signal: number ?? null, rung };
  },
  drop: (command) => {
    const found = find(command);
    found.state = "dropped";
    found.plugin.drop();
    return {};
  },
  bye: async () => {
    await stopAll();
    return {};
  },
};

/** The whole ladder for every plugin, at once. This process ends when the last of them has. */
async function stopAll(): Promise<void> {
  process.stdin.destroy();
  const stopped = [...plugins.values()].map(({ plugin, gate, grace }) => {
    gate.open();
    return plugin.stop(grace);
  });
  await Promise.all(stopped);
}

async function obey(line: string): Promise<void> {
  const command = JSON.parse(line) as Command;
  const { seq } = command;
  try {
    const known = commands[command.cmd];
    if (!known) {
      throw new Refused("unsupported", `${command.cmd}: no such command`);
    }
    const ok = await known(command);
    if (ok) {
      say({ seq, ok });
    }
  } catch (fault) {
    say({ seq, err: told(fault) });
  }
}

process.on("SIGTERM", () => void stopAll());
createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on("line", (line) => void obey(line))
  .on("close", () => void stopAll());
