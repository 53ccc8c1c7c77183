// The plugin my-plugin. The first half is what it does; the second, the protocol, is the same in any other.

import { readFileSync } from "node:fs";

const MANIFEST = JSON.parse(readFileSync(new URL("contract.openrpc.json", import.meta.url), "utf8"));
const PLUGIN = { name: MANIFEST.info.title, version: MANIFEST.info.version };

// What a value must be: a test, or an object of such by name. A name that ends in `?` may be absent.
const object = {};
const text = (value) => typeof value === "string";
const atLeast = (least) => (value) => Number.isSafeInteger(value) && value >= least;
const list = (test) => (value) => Array.isArray(value) && value.every(test);
const CONFIG = { "greeting?": text };

// The methods of the contract: what their params must be, and what answers them. One that fails as the contract says
// throws `new Fault(code, message, data)`.
const METHODS = {
  "my_plugin.hello": [{ name: text }, ({ name }) => `${greeting}, ${name}!`],
};

let greeting;

/** Takes the config, once, before anything is called. */
function configure(config) {
  const errors = [...faults(config, CONFIG), ...unknown(config, CONFIG)];
  if (errors.length > 0) throw new Fault(-32002, "the config is wrong", { errors });
  greeting = config.greeting ?? "Hello";
}

// --- the protocol ---------------------------------------------------------------------------------------------------

/** The longest line that is taken: what holds before the handshake, and is declared for after it. */
const LIMIT = 1 << 20;
const LIMITS = {
  "maxLineBytes?": atLeast(65536),
  "maxInFlight?": atLeast(1),
  "maxDepth?": atLeast(1),
  "streamWindowBytes?": atLeast(65536),
};
const CAPABILITIES = { "progress?": object, "log?": object, "streams?": object, "callbacks?": { methods: list(text) } };
const INITIALIZE = {
  protocolVersions: list(Number.isSafeInteger),
  "host?": { name: text, version: text },
  "instance?": text,
  "limits?": LIMITS,
  "capabilities?": CAPABILITIES,
};

// The methods that every plugin has.
const OWN = {
  "rpc.ping": [object, () => ({})],
  "rpc.discover": [object, () => MANIFEST],
  "rpc.initialize": [INITIALIZE, initialize],
  "rpc.shutdown": [{ "graceMs?": atLeast(0) }, () => ((phase = "closing"), null)],
};

let phase = "new"; // then "ready", then "closing"
let hostLimit = LIMIT; // the longest line that the host takes

/** What is answered in place of a result. */
class Fault extends Error {
  constructor(code, message, data) {
    super(message);
    this.error = { code, message, data };
  }
}

function initialize({ protocolVersions, config = {}, limits = {} }) {
  if (!protocolVersions.includes(1)) throw new Fault(-32001, "only version 1 is spoken here", { supported: [1] });
  configure(config);
  phase = "ready";
  hostLimit = limits.maxLineBytes ?? 16 << 20;
  const provides = MANIFEST["x-plugline"].provides;
  return { protocolVersion: 1, plugin: PLUGIN, provides, limits: { maxLineBytes: LIMIT, maxInFlight: 1 } };
}

function call(method, params) {
  if (phase === "closing" && method !== "rpc.ping") throw new Fault(-32003, "shutting down");
  if (phase === "new" && !Object.hasOwn(OWN, method)) throw new Fault(-32000, "not initialized");
  if (phase === "ready" && method === "rpc.initialize") throw new Fault(-32600, "initialized already");
  const methods = Object.hasOwn(OWN, method) ? OWN : METHODS;
  if (!Object.hasOwn(methods, method)) throw new Fault(-32601, "no such method");
  const [shape, run] = methods[method];
  if (isObject(params)) delete params._meta;
  const errors = [...faults(params, shape), ...(methods === METHODS ? unknown(params, shape) : [])];
  if (errors.length > 0) throw new Fault(-32602, "the params are wrong", { errors });
  return run(params);
}

/** The answer to a line; nothing answers a notification, or a response. */
function answer(line) {
  let id = null;
  try {
    const message = parse(line);
    if (!isObject(message)) throw new Fault(-32600, "a message is an object");
    const { method, params = {} } = message;
    const asks = Object.hasOwn(message, "method");
    const outcomes = Object.hasOwn(message, "result") + Object.hasOwn(message, "error");
    const valid = isId(message.id);
    const spoken = message.jsonrpc === "2.0";
    if (outcomes === 0 && text(method) && !Object.hasOwn(message, "id")) return ignore(line);
    if (outcomes === 1 && !asks && valid && spoken) return ignore(line);
    if (outcomes > 0 || !asks || !valid) throw new Fault(-32600, "neither a request nor a notification");
    id = message.id;
    const structured = isObject(params) || Array.isArray(params);
    if (!spoken || !text(method) || !structured) throw new Fault(-32600, "jsonrpc, method or params are wrong");
    return { jsonrpc: "2.0", id, result: call(method, params) };
  } catch (fault) {
    if (!(fault instanceof Fault)) console.error(fault); // ours, not the host's
    return { jsonrpc: "2.0", id, error: fault.error ?? { code: -32603, message: "internal error" } };
  }
}

function parse(line) {
  try {
    const decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
    return JSON.parse(decoded, (name, value) => {
      if (!name.isWellFormed() || (text(value) && !value.isWellFormed())) throw new Error("a lone surrogate");
      return value;
    });
  } catch (why) {
    throw new Fault(-32700, `the line is not JSON: ${why.message}`.slice(0, 200).toWellFormed());
  }
}

function ignore(line) {
  console.error(`ignored: ${JSON.stringify(line.toString().slice(0, 200))}`);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isId(id) {
  return text(id) ? Buffer.byteLength(id) <= 256 : Number.isSafeInteger(id) && id >= 0 && !Object.is(id, -0);
}

function* faults(value, shape, path = "") {
  if (typeof shape === "function" ? !shape(value) : !isObject(value)) {
    yield { path, message: "missing or wrong" };
    return;
  }
  for (const [key, inner] of Object.entries(shape)) {
    const name = key.replace("?", "");
    if (name === key || Object.hasOwn(value, name)) yield* faults(value[name], inner, `${path}/${name}`);
  }
}

function* unknown(value, shape) {
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(shape, name) || Object.hasOwn(shape, `${name}?`)) continue;
    yield { path: `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, message: "unknown" };
  }
}

function write(message) {
  let line = Buffer.from(JSON.stringify(message));
  if (line.length > hostLimit) {
    const error = { code: -32007, message: "the answer is too long", data: { limit: hostLimit, size: line.length } };
    line = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: message.id, error }));
  }
  process.stdout.write(Buffer.concat([line, Buffer.from("\n")]));
}

/** The lines of standard input, without their LF; of one that is too long, only its length. */
async function* lines() {
  let parts = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    let begin = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, begin)) {
      parts.push(chunk.subarray(begin, end));
      length += end - begin;
      yield length > LIMIT ? { length } : { length, line: Buffer.concat(parts) };
      [parts, length, begin] = [[], 0, end + 1];
    }
    length += chunk.length - begin;
    if (length > LIMIT) parts = [];
    else parts.push(chunk.subarray(begin));
  }
}

process.stdout.on("error", () => process.exit(1)); // nobody reads any more
process.on("SIGTERM", () => process.exit(0)); // between two requests, so nothing is in flight
process.on("SIGINT", () => {}); // meant for the host, who will say so

let first = true;
for await (let { length, line } of lines()) {
  if (first && line?.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]))) line = line.subarray(3);
  first = false;
  if (line === undefined) {
    const error = { code: -32007, message: "the line is too long", data: { limit: LIMIT, size: length } };
    write({ jsonrpc: "2.0", id: null, error });
  } else if (line.some((byte) => !" \t\r".includes(String.fromCharCode(byte)))) {
    const message = answer(line);
    if (message !== undefined) write(message);
  }
}
