/**
 * What the conformance suite does not look at: `node edges.js`. It starts itself as a plugin (`plugin`), spoken to in lines
 * here, and as plugins without the run-time that do odd things (`odd WAY`), which the run-time has as a host.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  Failure,
  Plugin,
  RemoteError,
  contract,
  implement,
  servePlugin,
  type JsonObject,
  type StartOptions,
} from "./runtime.js";

const nap = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const text = { type: "string" };
const integer = { type: "integer" };
const mail = { type: "string", pattern: "^\\w+\\@\\w+$" };
const tree = { $ref: "#/components/schemas/Tree" };
const bytes = { type: "array", items: { type: "string", contentEncoding: "base64" } };
const method = (name: string, params: JsonObject, result?: unknown, own: JsonObject = {}): JsonObject => ({
  name: `edges.${name}`,
  params: Object.entries(params).map(([name, schema]) => ({ name, schema, required: true })),
  ...(result !== undefined && { result: { name: "result", schema: result } }),
  "x-plugline": own,
});
const document: JsonObject = {
  info: { title: "edges", version: "1.0.0" },
  methods: [
    method("fail", { how: text }, { type: "null" }, { errors: [{ code: 1001, data: { type: "object" } }] }),
    method("echo", { value: {} }, {}),
    method("sum", {}, integer, { input: integer }),
    method("slowly", {}, integer, { input: integer }),
    method("count", { n: integer }, { type: "null" }, { output: integer }),
    method("set", { v: { type: "array", uniqueItems: true } }, integer),
    method("mail", { to: mail }, text),
    method("price", { p: { type: "number", multipleOf: 0.01 } }, { type: "number" }),
    method("parts", { parts: bytes }, bytes),
    method("grow", { tree }),
    method("mailed", { to: mail }),
    method("slow", { text }),
  ],
  components: { schemas: { Tree: { type: "object", properties: { next: tree } } } },
  "x-plugline": {
    provides: [{ contract: "edges", version: "1.0.0" }],
    config: { type: "object" },
    hostMethods: [method("ask", {}, integer)],
  },
};

class Boom extends RemoteError<unknown> {
  static readonly code = 1001;

  constructor(data: unknown, message = "boom") {
    super(1001, message, data);
  }

  static of(message: string, data: unknown): Boom {
    return new Boom(data, message);
  }
}

function thrown(how: string): unknown {
  const circular: JsonObject = {};
  circular["self"] = circular;
  let deep: JsonObject = {};
  for (let level = 0; level < 150; level += 1) {
    deep = { deep };
  }
  switch (how) {
    case "nan":
      return new Boom({ value: NaN });
    case "circular":
      return new Boom(circular);
    case "deep":
      return new Boom(deep);
    case "surrogate":
      return new Boom({ value: "\ud800" });
    case "message":
      return new Boom({}, "\ud800");
    case "data":
      return new Boom("no object");
    case "nothing":
      return Object.create(null);
    default:
      return new Boom({ how });
  }
}

const target = {
  fail: ({ how }: { how: string }) => {
    throw thrown(how);
  },
  echo: ({ value }: { value: unknown }) => value,
  sum: async (input: AsyncIterable<number>) => {
    let sum = 0;
    for await (const number of input) {
      sum += number;
    }
    return sum;
  },
  slowly: async (input: AsyncIterable<number>) => {
    let count = 0;
    for await (const _ of input) {
      count += 1;
      await nap(1);
    }
    return count;
  },
  *count({ n }: { n: number }) {
    for (let number = 0; number < n; number += 1) {
      yield number;
    }
  },
  set: ({ v }: { v: unknown[] }) => v.length,
  mail: ({ to }: { to: string }) => to,
  price: ({ p }: { p: number }) => p,
  parts: ({ parts }: { parts: Uint8Array[] }) => parts.map((part) => Buffer.from(part)),
  grow: () => undefined,
  mailed: () => undefined,
  slow: () => nap(60_000),
};
const members = (names: string[]): Record<string, { member: string; errors: (typeof Boom)[] }> =>
  Object.fromEntries(names.map((member) => [member, { member, errors: [Boom] }]));
const edges = contract<typeof target>(document, "edges", "plugin", members(Object.keys(target)));

// --- the plugin, line by line ----------------------------------------------------------------------------------------

interface Message {
  id?: unknown;
  method?: string;
  params?: { items?: unknown[]; bytes?: number };
  result?: unknown;
  error?: { code: number };
}

class Raw {
  readonly #child = spawn(process.execPath, [process.argv[1] as string, "plugin"]);
  readonly #lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  readonly #exit = once(this.#child, "exit");
  stderr = "";

  constructor() {
    this.#child.stderr.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#child.stdin.on("error", () => undefined);
  }

  static async ready(): Promise<Raw> {
    const raw = new Raw();
    raw.initialize();
    assert.equal((await raw.next())?.id, 0);
    return raw;
  }

  initialize(config: JsonObject = {}): void {
    const params = { protocolVersions: [1], config, capabilities: { streams: {} } };
    this.send({ id: 0, method: "rpc.initialize", params });
  }

  send(...messages: JsonObject[]): void {
    this.write(messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join(""));
  }

  write(line: string): void {
    this.#child.stdin.write(line);
  }

  async next(): Promise<Message | undefined> {
    const step = await this.#lines.next();
    return step.done === true ? undefined : (JSON.parse(step.value) as Message);
  }

  async call(method: string, params: JsonObject): Promise<Message | undefined> {
    this.send({ id: 7, method, params });
    return this.next();
  }

  async lives(): Promise<void> {
    assert.deepEqual((await this.call("rpc.ping", {}))?.result, {});
  }

  /** Its answers after the end of its input, by id, and the items of its streams; it ends in order. */
  async end(): Promise<{ answers: Map<unknown, Message>; items: unknown[] }> {
    this.#child.stdin.end();
    const answers = new Map<unknown, Message>();
    const items: unknown[] = [];
    for (let message = await this.next(); message; message = await this.next()) {
      answers.set(message.id, message);
      items.push(...(message.params?.items ?? []));
    }
    assert.deepEqual(await this.#exit, [0, null], this.stderr);
    return { answers, items };
  }
}

async function plugin(): Promise<void> {
  // What a handler throws.
  {
    const raw = await Raw.ready();
    for (const how of ["nan", "circular", "deep", "surrogate", "message", "data", "nothing"]) {
      assert.equal((await raw.call("edges.fail", { how }))?.error?.code, -32603, how);
    }
    assert.equal((await raw.call("edges.fail", { how: "rightly" }))?.error?.code, 1001);
    await raw.end();
  }

  // Notifications that cannot be taken, and patterns and numbers that can.
  {
    const raw = await Raw.ready();
    const deep = `${'{"next":'.repeat(9000)}{}${"}".repeat(9000)}`;
    raw.write(`{"jsonrpc":"2.0","method":"edges.grow","params":{"tree":${deep}}}\n`);
    raw.send({ method: "edges.mailed", params: { to: "a@b" } });
    await raw.lives();
    assert.equal((await raw.call("edges.mail", { to: "a@b" }))?.result, "a@b");
    assert.equal((await raw.call("edges.mail", { to: "a" }))?.error?.code, -32602);
    assert.equal((await raw.call("edges.price", { p: 19.99 }))?.result, 19.99);
    assert.equal((await raw.call("edges.price", { p: 19.999 }))?.error?.code, -32602);
    assert.deepEqual((await raw.call("edges.parts", { parts: ["aGk="] }))?.result, ["aGk="]);
    raw.write(`{"jsonrpc":"2.0","id":${" ".repeat(99)}3,"method":"rpc.ping"}\n`);
    assert.equal((await raw.next())?.id, 3);
    raw.write('{"jsonrpc":"2.0","id":"\\ud800","method":"rpc.ping"}\n');
    assert.equal((await raw.next())?.id, null);
    // Each is compared with all before it, were it done item by item.
    const began = performance.now();
    const v = Array.from({ length: 50_000 }, (_, number) => ({ number: `${number}` }));
    assert.equal((await raw.call("edges.set", { v }))?.result, v.length);
    assert.equal((await raw.call("edges.set", { v: [{ a: 1, b: 2 }, { b: 2, a: 1 }] }))?.error?.code, -32602);
    assert(performance.now() - began < 5000, "many items that must differ");
    await raw.end();
  }

  // The end of the input: what can be finished is.
  {
    const raw = await Raw.ready();
    raw.send(
      { id: 1, method: "edges.sum" },
      { method: "rpc.input", params: { id: 1, items: [1, 2] } },
      { method: "rpc.inputEnd", params: { id: 1 } },
      { id: 2, method: "edges.sum" },
      { method: "rpc.input", params: { id: 2, items: [1, 2] } },
      { id: 3, method: "edges.count", params: { n: 3000 } },
      { id: 4, method: "edges.count", params: { n: 100_000 } },
    );
    const { answers, items } = await raw.end();
    assert.equal(answers.get(1)?.result, 3);
    assert.equal(answers.get(2)?.error?.code, -32004, "its input is not complete");
    assert.equal(answers.get(3)?.result, null);
    assert.equal(answers.get(4)?.error?.code, -32004, "its credit is used up");
    assert(items.length > 3000);
  }

  // A handshake that takes its time is in flight like any request.
  {
    const raw = new Raw();
    raw.initialize({ delay: 100 });
    raw.send({ id: 0, method: "rpc.ping" });
    assert.deepEqual([...(await raw.end()).answers.keys()], [null, 0], "its id is taken, and it is answered");
  }
  {
    const raw = new Raw();
    raw.initialize({ delay: 100 });
    raw.send({ id: 1, method: "rpc.shutdown" });
    assert.deepEqual([(await raw.next())?.id, (await raw.next())?.id], [0, 1]);
    await raw.end();
  }
  {
    const raw = new Raw();
    raw.initialize({ delay: 60_000 });
    raw.send({ id: 1, method: "rpc.shutdown", params: { graceMs: 0 } });
    assert.equal((await raw.next())?.error?.code, -32004);
    assert.equal((await raw.next())?.id, 1);
    await raw.end();
  }

  // Credit for a part of a line, and why a connection ends.
  {
    const raw = await Raw.ready();
    raw.send({ id: 1, method: "edges.slowly" });
    const items = Array.from({ length: 100 }, () => "1".padStart(2000)).join();
    raw.write(`{"jsonrpc":"2.0","method":"rpc.input","params":{"id":1,"items":[${items}]}}\n`);
    const bytes = (await raw.next())?.params?.bytes ?? 0;
    assert(bytes >= 131_072 && bytes < 150_000, `${bytes}`);
    await raw.end();
  }
  {
    const raw = await Raw.ready();
    const note = { method: "edges.slow", params: { text: "x".repeat(1_000_000) } };
    raw.send(note, note, note, note, note, note);
    await raw.end();
    assert.match(raw.stderr, /overloaded/);
  }
}

// --- the host, and odd plugins ---------------------------------------------------------------------------------------

/** A plugin without the run-time. */
async function odd(way: string): Promise<void> {
  const line = (message: JsonObject): string => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`;
  const write = (...lines: string[]): boolean => process.stdout.write(lines.join(""));
  const provides = [{ contract: "edges", version: "1.0.0" }];
  const capabilities = { cancel: {}, streams: {}, callbacks: {} };
  const hello = { protocolVersion: 1, plugin: { name: way, version: "1" }, provides, capabilities };
  for await (const read of createInterface({ input: process.stdin })) {
    const { id, method, params, result } = JSON.parse(read) as {
      id?: number;
      method?: string;
      params?: JsonObject;
      result?: unknown;
    };
    switch (method) {
      case "rpc.initialize":
        write(line({ id, result: hello }), way === "early" ? line({ id: 1, method: "edges.ask" }) : "");
        break;
      case "rpc.discover":
        write(line({ id, result: way === "null" ? null : way === "bare" ? { methods: [{ name: "edges.echo" }] } : document }));
        break;
      case "rpc.shutdown":
        write(line({ id, result: null }));
        break;
      case "edges.echo":
        write(
          line({ method: "rpc.log", params: { level: "loud", message: "m" } }),
          line({ method: "rpc.log", params: { level: "info", message: "m", _meta: {} } }),
          `{"jsonrpc":"2.0","method":"rpc.progress","params":{"id":${id},"progress":1e999}}\n`,
          line({ method: "rpc.progress", params: { id, progress: 5 } }),
          way === "deep"
            ? `{"jsonrpc":"2.0","id":${id},"result":${"[".repeat(100_000)}${"]".repeat(100_000)}}\n`
            : line({ id, result: params?.["value"] }),
        );
        break;
      case undefined:
        process.stderr.write(`answered ${JSON.stringify(result)}\n`);
    }
  }
}

async function fails(kind: string, call: () => Promise<unknown>): Promise<void> {
  const fault: unknown = await call().then(
    () => "nothing",
    (fault: unknown) => fault,
  );
  assert(fault instanceof Failure && fault.kind === kind, `${kind}: ${String(fault)}`);
}

class Client {
  static readonly contract = edges;
}

const start = (way: string, options: StartOptions = {}): Promise<Plugin> =>
  Plugin.start([process.execPath, process.argv[1] as string, "odd", way], options);

async function host(): Promise<void> {
  // What comes with the answer to the handshake finds it done.
  {
    const asked = contract<{ ask(): number }>(document, "edges", "host", members(["ask"]));
    let stderr = "";
    const answered = new Promise<void>((resolve) => {
      const onStderr = (text: string): void => {
        stderr += text;
        resolve();
      };
      void start("early", { serves: [implement(asked, { ask: () => 7 })], onStderr }).then(async (plugin) => {
        await answered;
        await plugin.stop();
      });
    });
    await answered;
    assert.equal(stderr, "answered 7\n");
  }

  // What a plugin says and may not, and what its host is not let say.
  {
    const logs: unknown[] = [];
    const told: unknown[] = [];
    const plugin = await start("plain", { onLog: (log) => logs.push(log) });
    const onProgress = ({ progress }: { progress: number }): unknown => told.push(progress);
    assert.equal(await plugin.request(edges, "echo", { value: 1 }, { onProgress }), 1);
    assert.deepEqual([logs, told], [[{ level: "info", message: "m" }], [5]]);
    await fails("invalid_request", () => plugin.request(edges, "price", { p: 0.001 }));
    await fails("invalid_request", () => plugin.request(edges, "echo", { value: "\ud800" }));
    await fails("invalid_request", () => plugin.stream(edges, "sum", {}, [1, 1.5]).result);
    assert.throws(() => plugin.notify(edges, "mailed", { to: "nobody" }), Failure);
    await plugin.stop();
  }
  {
    const plugin = await start("deep");
    await fails("protocol_violation", () => plugin.request(edges, "echo", { value: 1 }));
    await plugin.stop();
  }

  // A manifest that is none, and a process that cannot be.
  for (const way of ["null", "bare"]) {
    const plugin = await start(way);
    await fails("version_mismatch", () => plugin.client(Client));
    await plugin.stop();
  }
  await fails("spawn_failed", () => Plugin.start(["true", "x".repeat(3_000_000)]));
  await fails("spawn_failed", () => Plugin.start(["/nowhere/at/all"]));
  const crowded = spawn("sh", ["-c", 'ulimit -n 64; exec "$0" "$1" crowded', process.execPath, process.argv[1] as string], {
    stdio: "inherit",
  });
  assert.deepEqual(await once(crowded, "exit"), [0, null]);
}

/** No descriptor is left for the pipes of a plugin. */
async function crowdedHost(): Promise<void> {
  assert.throws(() => {
    for (;;) {
      openSync("/dev/null", "r");
    }
  }, /EMFILE/);
  await fails("spawn_failed", () => Plugin.start(["true"]));
}

const [mode, way = ""] = process.argv.slice(2);
switch (mode) {
  case "plugin":
    await servePlugin<{ delay?: number }>({
      name: "edges",
      version: "1.0.0",
      document,
      make: async ({ config }) => {
        await nap(config.delay ?? 0);
        return [implement(edges, target)];
      },
    });
    break;
  case "odd":
    await odd(way);
    break;
  case "crowded":
    await crowdedHost();
    break;
  default:
    await plugin();
    await host();
    console.log("ok");
}
