/**
 * The run-time of Plugline for TypeScript: both ends of the protocol (version 1) in one file without dependencies.
 *
 * `Plugin.start` runs a plugin and speaks to it; `serve` makes this process a plugin. What is generated from a
 * contract stands on both. Node 20 or newer.
 *
 * Everything is asynchronous: a handler that computes for long without awaiting stops this process from reading, and
 * with it cancels and pings.
 */
import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as tty from "node:tty";
import type { Readable, Writable } from "node:stream";
import { inspect } from "node:util";

// --- errors ---------------------------------------------------------------------------------------------------------

/** The kinds of failure of a call: a closed set, the same in every language. */
export type Kind =
  | "invalid_request"
  | "spawn_failed"
  | "handshake_timeout"
  | "handshake_invalid"
  | "version_mismatch"
  | "invalid_config"
  | "declined"
  | "protocol_violation"
  | "stream_violation"
  | "remote_error"
  | "timeout"
  | "cancelled"
  | "plugin_exited"
  | "too_large"
  | "overloaded"
  | "closed"
  | "unsupported";

/** What is known of a failure besides its kind. */
export interface Evidence {
  command?: string;
  phase?: string;
  method?: string;
  exitCode?: number;
  signal?: string;
  stderrTail?: string;
  stray?: string;
}

/** A call, or a start, that failed. */
export class Failure extends Error {
  override readonly name: string = "Failure";
  readonly kind: Kind;
  readonly evidence: Evidence;

  constructor(
    kind: Kind,
    message: string,
    evidence: Evidence = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.kind = kind;
    this.evidence = evidence;
  }
}

/** An error that the other side answered, or that a handler throws for it to be answered. */
export class RemoteError<Data = unknown> extends Failure {
  override readonly name: string = "RemoteError";
  readonly code: number;
  readonly data: Data;

  constructor(code: number, message: string, data: Data) {
    super("remote_error", message);
    this.code = code;
    this.data = data;
  }
}

/** Thrown while a plugin is made: this config cannot be worked with. */
export class InvalidConfig extends Error {
  readonly errors: Fault[];

  constructor(errors: Fault[]) {
    super("invalid config");
    this.errors = errors;
  }
}

/** Thrown while a plugin is made: the plugin judges itself unfit here. */
export class Declined extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
const NOT_INITIALIZED = -32000;
const UNSUPPORTED_PROTOCOL = -32001;
const INVALID_CONFIG = -32002;
const SHUTTING_DOWN = -32003;
const CANCELLED = -32004;
const DEADLINE_EXCEEDED = -32005;
const OVERLOADED = -32006;
const MESSAGE_TOO_LARGE = -32007;
const STREAM_VIOLATION = -32008;
const DECLINED = -32009;

/** The codes of the protocol that a handler may answer itself. */
const OWN = [INVALID_PARAMS, CANCELLED, DEADLINE_EXCEEDED, MESSAGE_TOO_LARGE];

const TEXTS: Record<number, string> = {
  [PARSE_ERROR]: "parse error",
  [INVALID_REQUEST]: "invalid request",
  [METHOD_NOT_FOUND]: "method not found",
  [INVALID_PARAMS]: "invalid params",
  [INTERNAL_ERROR]: "internal error",
  [NOT_INITIALIZED]: "not initialized",
  [UNSUPPORTED_PROTOCOL]: "unsupported protocol",
  [INVALID_CONFIG]: "invalid config",
  [SHUTTING_DOWN]: "shutting down",
  [CANCELLED]: "cancelled",
  [DEADLINE_EXCEEDED]: "deadline exceeded",
  [OVERLOADED]: "overloaded",
  [MESSAGE_TOO_LARGE]: "message too large",
  [STREAM_VIOLATION]: "stream violation",
  [DECLINED]: "declined",
};

/** What was thrown, whatever it is. */
function shown(fault: unknown): string {
  return fault instanceof Error
    ? (fault.stack ?? String(fault))
    : inspect(fault);
}

/** Tells people. */
function warn(text: string): void {
  process.stderr.write(`plugline: ${text}\n`);
}

/** An error of the protocol itself. */
function wireError(code: number, data?: unknown): RemoteError {
  return new RemoteError(code, TEXTS[code] ?? `error ${code}`, data);
}

// --- values ---------------------------------------------------------------------------------------------------------

/** An object of JSON. */
export type JsonObject = { [name: string]: unknown };

/** JSON Schema, draft-07. */
export type Schema = boolean | JsonObject;

/** Where a value breaks its schema: `path` is a JSON Pointer. */
export interface Fault {
  path: string;
  message: string;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown, least = 0): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

const DEEPEST = 100;
/** How deep params and results lie in their message. */
const VALUE_LEVEL = 2;

/**
 * A value as JSON has it: bytes as base64, big integers as their digits. Throws for what no sender may send: numbers
 * that are none of JSON, lone surrogates, nesting beyond 100.
 */
function plain(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return soundText(value);
    case "number":
      if (!Number.isFinite(value)) {
        throw new RangeError(`${value} is no number of JSON`);
      }
      return value;
    case "boolean":
      return value;
    case "bigint":
      return value.toString();
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) {
    return null;
  }
  if (value instanceof Uint8Array) {
    return Buffer.from(value).toString("base64");
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return plain(value.toJSON(), depth);
  }
  if (depth > DEEPEST) {
    throw new RangeError(`nested deeper than ${DEEPEST}`);
  }
  if (Array.isArray(value)) {
    return Array.from(value, (item) => plain(item, depth + 1) ?? null);
  }
  const members: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    const made = plain(member, depth + 1);
    if (made !== undefined) {
      members.push([soundText(name), made]);
    }
  }
  // `fromEntries` defines members, so that one named `__proto__` is a member like any other.
  return Object.fromEntries(members);
}

function soundText(text: string): string {
  if (!isSound(text)) {
    throw new RangeError("a lone surrogate");
  }
  return text;
}

function isSound(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** A value as JSON; `depth` is its own level in the message. Throws for what no sender may send. */
export function encode(value: unknown, depth = 1): string {
  return JSON.stringify(plain(value, depth) ?? null);
}

const WIDTHS: Record<string, [bigint, bigint] | undefined> = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  int128: [-(2n ** 127n), 2n ** 127n - 1n],
  uint128: [0n, 2n ** 128n - 1n],
};
/** What numbers of a format may be. */
const NUMBERS: Record<string, [number, number] | undefined> = {
  int8: [-(2 ** 7), 2 ** 7 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint8: [0, 2 ** 8 - 1],
  uint16: [0, 2 ** 16 - 1],
  uint32: [0, 2 ** 32 - 1],
  uint: [0, Infinity],
  uint64: [0, Infinity],
};
const DATE_TIME =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const BASE64 =
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Checks values against schemas, and makes of them what the generated types say: bytes, big integers. */
class Reader {
  readonly #root: JsonObject;
  readonly #patterns = new Map<string, RegExp | undefined>();

  constructor(root: JsonObject) {
    this.#root = root;
  }

  /** A value as JSON and as its type, with all that is wrong with it: what no sender may send, or its schema forbids. */
  take(
    schema: Schema,
    value: unknown,
  ): { json: unknown; made: unknown; faults: Fault[] } {
    const faults: Fault[] = [];
    let json: unknown;
    try {
      json = plain(value, VALUE_LEVEL) ?? null;
    } catch (fault) {
      faults.push({
        path: "",
        message: fault instanceof Error ? fault.message : inspect(fault),
      });
      return { json, made: undefined, faults };
    }
    return { json, made: this.read(schema, json, "", faults), faults };
  }

  /** The value as its type; faults go into the list. */
  read(schema: Schema, value: unknown, path: string, faults: Fault[]): unknown {
    if (schema === true) {
      return value;
    }
    const fault = (message: string): unknown => {
      faults.push({ path, message });
      return value;
    };
    if (schema === false) {
      return fault("must not be there");
    }
    if (typeof schema["$ref"] === "string") {
      return this.read(this.#find(schema["$ref"]), value, path, faults);
    }
    const types = schema["type"];
    if (
      types !== undefined &&
      ![types].flat().some((type) => hasType(value, type))
    ) {
      return fault(`must be of type ${[types].flat().join(" or ")}`);
    }
    if ("const" in schema && !equal(schema["const"], value)) {
      return fault("is not the one value that may stand here");
    }
    if (
      Array.isArray(schema["enum"]) &&
      !schema["enum"].some((choice) => equal(choice, value))
    ) {
      return fault("is none of the values that may stand here");
    }
    let made: unknown = value;
    if (typeof value === "string") {
      made = this.#text(schema, value, fault);
    } else if (typeof value === "number") {
      checkNumber(schema, value, fault);
    } else if (Array.isArray(value)) {
      made = this.#list(schema, value, path, faults);
    } else if (isObject(value)) {
      made = this.#object(schema, value, path, faults);
    }
    return this.#combined(schema, value, made, path, faults);
  }

  fits(schema: Schema, value: unknown): boolean {
    const faults: Fault[] = [];
    this.read(schema, value, "", faults);
    return faults.length === 0;
  }

  #find(reference: string): Schema {
    let found: unknown = this.#root;
    for (const part of reference.replace(/^#\/?/, "").split("/")) {
      const name = unescaped(part);
      found =
        typeof found === "object" && found !== null
          ? (found as JsonObject)[name]
          : undefined;
    }
    return typeof found === "boolean" || isObject(found) ? found : false;
  }

  /** Whether a text has what a pattern says. One that cannot be read is left to the other side. */
  #matches(pattern: string, text: string): boolean {
    if (!this.#patterns.has(pattern)) {
      this.#patterns.set(pattern, compiled(pattern));
    }
    return this.#patterns.get(pattern)?.test(text) ?? true;
  }

  #text(
    schema: JsonObject,
    value: string,
    fault: (message: string) => unknown,
  ): unknown {
    const length = (): number => [...value].length;
    if (
      typeof schema["minLength"] === "number" &&
      length() < schema["minLength"]
    ) {
      return fault(`must have at least ${schema["minLength"]} characters`);
    }
    if (
      typeof schema["maxLength"] === "number" &&
      length() > schema["maxLength"]
    ) {
      return fault(`must have at most ${schema["maxLength"]} characters`);
    }
    const pattern = schema["pattern"];
    if (typeof pattern === "string" && !this.#matches(pattern, value)) {
      return fault(`must match ${pattern}`);
    }
    if (schema["contentEncoding"] === "base64") {
      return BASE64.test(value)
        ? new Uint8Array(Buffer.from(value, "base64"))
        : fault("must be base64 with padding");
    }
    const format = schema["format"];
    if (format === "date-time" && !DATE_TIME.test(value)) {
      return fault("must be a time of RFC 3339");
    }
    if (
      typeof format === "string" &&
      (format in WIDTHS || format === "integer" || format === "bigint")
    ) {
      if (!/^-?(0|[1-9]\d*)$/.test(value)) {
        return fault("must be an integer in digits");
      }
      const number = BigInt(value);
      const [least, most] = WIDTHS[format] ?? [number, number];
      return least <= number && number <= most
        ? number
        : fault(`must be an ${format}`);
    }
    return value;
  }

  #list(
    schema: JsonObject,
    value: unknown[],
    path: string,
    faults: Fault[],
  ): unknown {
    const fault = (message: string): void =>
      void faults.push({ path, message });
    if (
      typeof schema["minItems"] === "number" &&
      value.length < schema["minItems"]
    ) {
      fault(`must have at least ${schema["minItems"]} items`);
    }
    if (
      typeof schema["maxItems"] === "number" &&
      value.length > schema["maxItems"]
    ) {
      fault(`must have at most ${schema["maxItems"]} items`);
    }
    if (
      schema["uniqueItems"] === true &&
      new Set(value.map(canonical)).size < value.length
    ) {
      fault("must have no item twice");
    }
    const contains = schema["contains"];
    if (
      contains !== undefined &&
      !value.some((item) => this.fits(contains as Schema, item))
    ) {
      fault("lacks an item that must be there");
    }
    const items = schema["items"];
    const others = (schema["additionalItems"] ?? true) as Schema;
    return value.map((item, at) => {
      const own = Array.isArray(items)
        ? ((items[at] ?? others) as Schema)
        : ((items ?? true) as Schema);
      return this.read(own, item, `${path}/${at}`, faults);
    });
  }

  #object(
    schema: JsonObject,
    value: JsonObject,
    path: string,
    faults: Fault[],
  ): unknown {
    const below = (name: string): string =>
      `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    const known = isObject(schema["properties"]) ? schema["properties"] : {};
    const patterns = isObject(schema["patternProperties"])
      ? Object.entries(schema["patternProperties"])
      : [];
    for (const name of Array.isArray(schema["required"])
      ? schema["required"]
      : []) {
      if (typeof name === "string" && !Object.hasOwn(value, name)) {
        faults.push({ path: below(name), message: "required" });
      }
    }
    const count = Object.keys(value).length;
    if (
      typeof schema["minProperties"] === "number" &&
      count < schema["minProperties"]
    ) {
      faults.push({
        path,
        message: `must have at least ${schema["minProperties"]} members`,
      });
    }
    if (
      typeof schema["maxProperties"] === "number" &&
      count > schema["maxProperties"]
    ) {
      faults.push({
        path,
        message: `must have at most ${schema["maxProperties"]} members`,
      });
    }
    const dependencies = schema["dependencies"];
    for (const [name, wanted] of Object.entries(
      isObject(dependencies) ? dependencies : {},
    )) {
      if (!Object.hasOwn(value, name)) {
        continue;
      }
      if (!Array.isArray(wanted)) {
        this.read(wanted as Schema, value, path, faults);
        continue;
      }
      for (const other of wanted as string[]) {
        if (!Object.hasOwn(value, other)) {
          faults.push({
            path: below(other),
            message: `required beside ${name}`,
          });
        }
      }
    }
    const made = Object.entries(value).map(
      ([name, member]): [string, unknown] => {
        if (schema["propertyNames"] !== undefined) {
          this.read(
            schema["propertyNames"] as Schema,
            name,
            below(name),
            faults,
          );
        }
        let own: unknown = member;
        const matching = patterns.filter(([pattern]) =>
          this.#matches(pattern, name),
        );
        if (Object.hasOwn(known, name)) {
          own = this.read(known[name] as Schema, member, below(name), faults);
        }
        for (const [, matched] of matching) {
          own = this.read(matched as Schema, member, below(name), faults);
        }
        if (
          !Object.hasOwn(known, name) &&
          matching.length === 0 &&
          schema["additionalProperties"] !== undefined
        ) {
          if (schema["additionalProperties"] === false) {
            faults.push({ path: below(name), message: "unknown" });
          } else {
            own = this.read(
              schema["additionalProperties"] as Schema,
              member,
              below(name),
              faults,
            );
          }
        }
        return [name, own];
      },
    );
    return Object.fromEntries(made);
  }

  #combined(
    schema: JsonObject,
    value: unknown,
    made: unknown,
    path: string,
    faults: Fault[],
  ): unknown {
    for (const part of Array.isArray(schema["allOf"]) ? schema["allOf"] : []) {
      made = combine(
        value,
        made,
        this.read(part as Schema, value, path, faults),
      );
    }
    for (const combiner of ["oneOf", "anyOf"]) {
      const choices = schema[combiner];
      if (!Array.isArray(choices)) {
        continue;
      }
      const attempts = choices.map((choice) => {
        const own: Fault[] = [];
        return {
          made: this.read(choice as Schema, value, path, own),
          faults: own,
        };
      });
      const fitting = attempts.filter((attempt) => attempt.faults.length === 0);
      const [first] = fitting;
      if (!first) {
        // The alternative that came closest says most.
        const closest = attempts.reduce((best, one) =>
          rank(one.faults) > rank(best.faults) ? one : best,
        );
        faults.push(...closest.faults);
      } else if (combiner === "oneOf" && fitting.length > 1) {
        faults.push({
          path,
          message: "fits more than one of the alternatives",
        });
      } else {
        made = combine(value, made, first.made);
      }
    }
    if (
      schema["not"] !== undefined &&
      this.fits(schema["not"] as Schema, value)
    ) {
      faults.push({ path, message: "is what must not stand here" });
    }
    if (schema["if"] !== undefined) {
      const branch = this.fits(schema["if"] as Schema, value)
        ? schema["then"]
        : schema["else"];
      if (branch !== undefined) {
        made = combine(
          value,
          made,
          this.read(branch as Schema, value, path, faults),
        );
      }
    }
    return made;
  }
}

/** A part of a JSON Pointer in a URI. */
function unescaped(part: string): string {
  let text = part;
  try {
    text = decodeURIComponent(part);
  } catch {
    // A percent sign that escapes nothing.
  }
  return text.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** How deep the first fault lies: an alternative that failed deeper was nearer. */
function rank(faults: Fault[]): number {
  const first = faults[0];
  return first ? first.path.split("/").length * 100 - faults.length : Infinity;
}

/** What two readings of one value made of it: of an object, member by member. */
function combine(value: unknown, before: unknown, after: unknown): unknown {
  if (
    before === value ||
    !isObject(value) ||
    !isObject(before) ||
    !isObject(after)
  ) {
    return after === value ? before : after;
  }
  return Object.fromEntries(
    Object.entries(before).map(([name, made]) => [
      name,
      combine(value[name], made, after[name]),
    ]),
  );
}

function hasType(value: unknown, type: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "integer":
      // Beyond these they travel as text.
      return Number.isSafeInteger(value);
    default:
      return typeof value === type;
  }
}

function checkNumber(
  schema: JsonObject,
  value: number,
  fault: (message: string) => unknown,
): void {
  const bound = (key: string): number | undefined =>
    typeof schema[key] === "number" ? schema[key] : undefined;
  const [minimum, maximum, above, below, step] = [
    bound("minimum"),
    bound("maximum"),
    bound("exclusiveMinimum"),
    bound("exclusiveMaximum"),
    bound("multipleOf"),
  ];
  if (
    (minimum !== undefined && value < minimum) ||
    (maximum !== undefined && value > maximum) ||
    (above !== undefined && value <= above) ||
    (below !== undefined && value >= below)
  ) {
    fault("out of range");
  }
  const [least, most] = NUMBERS[String(schema["format"])] ?? [value, value];
  if (value < least || value > most) {
    fault(`is no ${String(schema["format"])}`);
  }
  if (step !== undefined && !isMultiple(value, step)) {
    fault(`must be a multiple of ${step}`);
  }
}

/** Whether a number is a multiple of another as they are written: 19.99 is one of 0.01, though their quotient is none. */
function isMultiple(value: number, step: number): boolean {
  const [a, b] = [decimal(value), decimal(step)];
  const least = Math.min(a.exponent, b.exponent);
  const [whole, part] = [a, b].map(
    ({ digits, exponent }) => digits * 10n ** BigInt(exponent - least),
  ) as [bigint, bigint];
  return part !== 0n && whole % part === 0n;
}

function decimal(number: number): { digits: bigint; exponent: number } {
  const [mantissa = "", exponent] = number.toExponential().split("e");
  const [units = "", fraction = ""] = mantissa.split(".");
  return {
    digits: BigInt(units + fraction),
    exponent: Number(exponent) - fraction.length,
  };
}

/** The expression that a pattern stands for; some are none where Unicode is meant. */
function compiled(pattern: string): RegExp | undefined {
  for (const flags of ["u", ""]) {
    try {
      return new RegExp(pattern, flags);
    } catch {
      // The next may do.
    }
  }
  return undefined;
}

/** The same text for equal values, and only for them. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isObject(part)
      ? Object.fromEntries(
          Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : part,
  );
}

function equal(a: unknown, b: unknown): boolean {
  if (a === b) {
    return true;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, at) => equal(item, b[at]));
  }
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    const same = (name: string): boolean =>
      Object.hasOwn(b, name) && equal(a[name], b[name]);
    return names.length === Object.keys(b).length && names.every(same);
  }
  return false;
}

// --- contracts ------------------------------------------------------------------------------------------------------

/** An error that a contract declares. */
export interface ErrorClass {
  readonly code: number;
  of(message: string, data: unknown): RemoteError;
}

/** A method as the run-time knows it. */
export interface MethodInfo {
  readonly name: string;
  readonly member: string;
  readonly takes: "params" | "nothing";
  readonly params: Schema;
  /** None: a notification. */
  readonly result: Schema | undefined;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
  readonly errors: readonly ErrorClass[] | "any";
  /** The schemas of the errors' data, by code. */
  readonly data: ReadonlyMap<number, Schema>;
}

/** A contract: `T` is the interface that implements it. */
export interface Contract<T> {
  readonly name: string;
  readonly document: JsonObject;
  readonly methods: readonly MethodInfo[];
  readonly reader: Reader;
  /** For the type alone. */
  readonly implementation?: T;
}

/** A contract and who implements it. */
export interface Implementation {
  readonly contract: Contract<unknown>;
  readonly target: object;
}

/** What a contract's methods are called, and what they may fail with. */
export type Members = Record<
  string,
  { member: string; errors: readonly ErrorClass[] | "any" }
>;

/** A value, or a promise of it. */
export type Awaitable<T> = T | Promise<T>;

/** What a method takes as its input. */
export type Inputs<Item> = Iterable<Item> | AsyncIterable<Item>;

/** What a method with output returns: its items; a generator returns the summary in the end. */
export type Produced<Item, Result = null> = [Result] extends [null]
  ? Iterable<Item> | AsyncIterable<Item>
  : Generator<Item, Result, void> | AsyncGenerator<Item, Result, void>;

/** Who serves a contract's methods. */
export type Server = "plugin" | "host";

/** A contract of a document. */
export function contract<T extends object>(
  document: JsonObject,
  name: string,
  server: Server,
  members: Members,
): Contract<T> {
  const own = isObject(document["x-plugline"]) ? document["x-plugline"] : {};
  const described = (
    server === "plugin" ? document["methods"] : own["hostMethods"]
  ) as JsonObject[];
  const methods = described.flatMap((method): MethodInfo[] => {
    const wire = method["name"] as string;
    const short = wire.startsWith(`${name}.`)
      ? wire.slice(name.length + 1)
      : undefined;
    if (short === undefined || !Object.hasOwn(members, short)) {
      return [];
    }
    const known = members[short] as Members[string];
    const params = method["params"] as {
      name: string;
      required?: boolean;
      schema: Schema;
    }[];
    const extension = isObject(method["x-plugline"])
      ? method["x-plugline"]
      : {};
    const result = method["result"] as { schema: Schema } | undefined;
    return [
      {
        name: wire,
        member: known.member,
        takes: params.length > 0 ? "params" : "nothing",
        params: {
          type: "object",
          properties: Object.fromEntries(
            params.map((param) => [param.name, param.schema]),
          ),
          required: params
            .filter((param) => param.required === true)
            .map((param) => param.name),
          additionalProperties: false,
        },
        result: result?.schema,
        input: extension["input"] as Schema | undefined,
        output: extension["output"] as Schema | undefined,
        errors: known.errors,
        data: new Map(
          (Array.isArray(extension["errors"]) ? extension["errors"] : []).map(
            (error: { code: number; data?: Schema }) => [
              error.code,
              error.data ?? true,
            ],
          ),
        ),
      },
    ];
  });
  return { name, document, methods, reader: new Reader(document) };
}

/** A client of a contract, as it is generated. */
export interface ClientClass<C> {
  readonly contract: Contract<unknown>;
  new (caller: Caller): C;
}

/** What a plugin provides. */
export interface Provided {
  contract: string;
  version: string;
}

/** The version of a contract in its own document. */
function versionOf(contract: Contract<unknown>): string {
  const own = contract.document["x-plugline"];
  const named = isObject(own) ? [own["provides"], own["requires"]].flat() : [];
  const found = named.find(
    (each) => isObject(each) && each["contract"] === contract.name,
  ) as Provided | undefined;
  return found?.version ?? "0.0.0";
}

/** Whether a version may stand for the one that is asked for: the same major, and no older. */
function isCompatible(asked: string, provided: string): boolean {
  const numbers = (version: string): number[] =>
    (version.split(/[-+]/)[0] ?? "").split(".").map(Number);
  const [want, have] = [numbers(asked), numbers(provided)];
  const fixed = want[0] ? 1 : want[1] ? 2 : 3;
  const at = want.findIndex((number, index) => number !== have[index]);
  return at < 0 || (at >= fixed && (have[at] ?? 0) > (want[at] ?? 0));
}

/** A method as a document has it. */
interface Described {
  name: string;
  params: { name: string; required?: boolean; schema: Schema }[];
  result?: { schema: Schema };
  "x-plugline"?: { input?: Schema; output?: Schema };
}

const MANIFEST: Schema = {
  type: "object",
  required: ["methods"],
  properties: {
    methods: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "params"],
        properties: {
          name: { type: "string" },
          params: {
            type: "array",
            items: { type: "object", required: ["name"] },
          },
          result: { type: "object" },
          "x-plugline": { type: "object" },
        },
      },
    },
  },
};

/** The manifest with its params and results in place: OpenRPC lets references to content descriptors stand for them. */
function followed(manifest: unknown): unknown {
  if (!isObject(manifest) || !Array.isArray(manifest["methods"])) {
    return manifest;
  }
  const components = manifest["components"];
  const known = isObject(components)
    ? components["contentDescriptors"]
    : undefined;
  const at = (part: unknown): unknown => {
    const reference = isObject(part) ? part["$ref"] : undefined;
    if (typeof reference !== "string" || !isObject(known)) {
      return part;
    }
    return known[unescaped(reference.split("/").at(-1) ?? "")] ?? part;
  };
  const each = (method: unknown): unknown => {
    if (!isObject(method)) {
      return method;
    }
    const { params, result } = method;
    return {
      ...method,
      ...(Array.isArray(params) ? { params: params.map(at) } : {}),
      ...(result === undefined ? {} : { result: at(result) }),
    };
  };
  return { ...manifest, methods: manifest["methods"].map(each) };
}

/** What a plugin's manifest says otherwise than the contract, and of which method; nothing where it fits. */
function misfit(
  contract: Contract<unknown>,
  manifest: JsonObject,
): string | undefined {
  const read = followed(manifest);
  const [first] = new Reader({}).take(MANIFEST, read).faults;
  if (first) {
    return `its manifest is none: ${first.path} ${first.message}`;
  }
  const declared = (read as JsonObject)["methods"] as Described[];
  const own = contract.document["methods"] as Described[];
  for (const info of contract.methods) {
    const mine = own.find((method) => method.name === info.name) as Described;
    const other = declared.find((method) => method.name === info.name);
    if (other === undefined) {
      return `it does not declare ${info.name}`;
    }
    const fault = methodMisfit(mine, other, contract.document, manifest);
    if (fault !== undefined) {
      return `${info.name}: ${fault}`;
    }
  }
  return undefined;
}

function methodMisfit(
  own: Described,
  other: Described,
  document: JsonObject,
  manifest: JsonObject,
): string | undefined {
  if ((own.result === undefined) !== (other.result === undefined)) {
    return "one side has it as a notification, the other as a method";
  }
  const parts: [string, Schema | undefined, Schema | undefined][] = [
    ["the result", own.result?.schema, other.result?.schema],
  ];
  for (const stream of ["input", "output"] as const) {
    const mine = own["x-plugline"]?.[stream];
    const theirs = other["x-plugline"]?.[stream];
    if ((mine === undefined) !== (theirs === undefined)) {
      return `only one side has an ${stream} stream`;
    }
    parts.push([`an item of the ${stream}`, mine, theirs]);
  }
  for (const param of own.params) {
    const known = other.params.find((each) => each.name === param.name);
    if (known === undefined) {
      return `the param "${param.name}": the plugin does not take it`;
    }
    parts.push([`the param "${param.name}"`, param.schema, known.schema]);
  }
  for (const param of other.params) {
    const sent = own.params.find((each) => each.name === param.name);
    if (param.required === true && sent?.required !== true) {
      return `the param "${param.name}": the plugin requires it`;
    }
  }
  for (const [part, mine, theirs] of parts) {
    const [here, there] = [typesOf(mine, document), typesOf(theirs, manifest)];
    if (here && there && !here.some((type) => there.includes(type))) {
      return `${part}: ${here.join(" or ")} here, ${there.join(" or ")} in the plugin`;
    }
  }
  return undefined;
}

/** The types of JSON that a schema plainly names. What is subtler is found when values are checked. */
function typesOf(
  schema: Schema | undefined,
  document: JsonObject,
  depth = 8,
): string[] | undefined {
  if (!isObject(schema) || depth === 0) {
    return undefined;
  }
  const reference = schema["$ref"];
  if (typeof reference === "string") {
    const name = unescaped(reference.split("/").at(-1) ?? "");
    const components = document["components"];
    const schemas = isObject(components) ? components["schemas"] : undefined;
    const found = isObject(schemas) ? schemas[name] : undefined;
    return typesOf(found as Schema | undefined, document, depth - 1);
  }
  const type = schema["type"];
  const named = typeof type === "string" ? [type] : type;
  return Array.isArray(named)
    ? named.map((name) => (name === "integer" ? "number" : String(name)))
    : undefined;
}

/** A contract with an object that implements it. */
export function implement<T extends object>(
  contract: Contract<T>,
  target: T,
): Implementation {
  return { contract, target };
}

// --- lines ----------------------------------------------------------------------------------------------------------

const DEFAULTS = {
  maxLineBytes: 16 * 1024 * 1024,
  maxInFlight: 64,
  maxDepth: 16,
  streamWindowBytes: 256 * 1024,
};
const MINIMA: Limits = {
  maxLineBytes: 65536,
  maxInFlight: 1,
  maxDepth: 1,
  streamWindowBytes: 65536,
};
const LINE_BEFORE_HANDSHAKE = 1024 * 1024;

/** What a side accepts. */
export type Limits = typeof DEFAULTS;

/** Splits bytes on LF alone. What it holds is bounded by the limit. */
class Lines {
  limit = LINE_BEFORE_HANDSHAKE;
  #held: Buffer[] = [];
  #size = 0;
  #first = true;
  readonly #line: (text: Buffer, cost: number) => void;
  readonly #skipped: (limit: number, size: number) => void;
  readonly #exceeded: (limit: number) => void;

  /** A line over the limit is told of when it exceeds it, and when it was skipped. */
  constructor(
    line: (text: Buffer, cost: number) => void,
    skipped: (limit: number, size: number) => void,
    exceeded: (limit: number) => void,
  ) {
    this.#line = line;
    this.#skipped = skipped;
    this.#exceeded = exceeded;
  }

  feed(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, start);
      this.#hold(chunk.subarray(start, end < 0 ? chunk.length : end));
      if (end < 0) {
        return;
      }
      start = end + 1;
      this.#end();
    }
  }

  #hold(piece: Buffer): void {
    const before = this.#size;
    this.#size += piece.length;
    if (this.#size > this.limit) {
      this.#held = [];
      if (before <= this.limit) {
        this.#exceeded(this.limit);
      }
    } else if (piece.length > 0) {
      this.#held.push(piece);
    }
  }

  #end(): void {
    const [size, held] = [this.#size, this.#held];
    this.#size = 0;
    this.#held = [];
    const first = this.#first;
    this.#first = false;
    if (size > this.limit) {
      this.#skipped(this.limit, size);
      return;
    }
    let text = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
    if (
      first &&
      text.length >= 3 &&
      text[0] === 0xef &&
      text[1] === 0xbb &&
      text[2] === 0xbf
    ) {
      text = text.subarray(3);
    }
    if (text.at(-1) === 0x0d) {
      text = text.subarray(0, -1);
    }
    if (text.some((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0d)) {
      this.#line(text, size + 1);
    }
  }
}

type Id = number | string;

function isId(value: unknown): value is Id {
  return (
    isWhole(value) ||
    (typeof value === "string" &&
      Buffer.byteLength(value) <= 256 &&
      isSound(value))
  );
}

/** The literal of the member `id` as it is written: `5.0` is no id, though it is parsed as 5. */
function writtenId(text: string): string | undefined {
  const quick = /^\{"jsonrpc":"2\.0","id":(\d+)[,}]/.exec(text);
  if (quick) {
    return quick[1];
  }
  let [depth, at, found]: [number, number, string | undefined] = [
    0,
    0,
    undefined,
  ];
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      const start = at;
      for (at += 1; text[at] !== '"'; at += 1) {
        at += text[at] === "\\" ? 1 : 0;
      }
      at += 1;
      const value = /\s*:\s*(-?[\d.eE+-]+)/y;
      value.lastIndex = at;
      const number = value.exec(text)?.[1];
      if (
        depth === 1 &&
        number !== undefined &&
        JSON.parse(text.slice(start, at)) === "id"
      ) {
        found = number;
      }
      continue;
    }
    depth +=
      character === "{" || character === "["
        ? 1
        : character === "}" || character === "]"
          ? -1
          : 0;
    at += 1;
  }
  return found;
}

// --- streams --------------------------------------------------------------------------------------------------------

/** Something that others wait for, again and again. */
class Signal {
  #waiting: (() => void)[] = [];

  /** Until `fire` is called. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  fire(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    waiting.forEach((resolve) => resolve());
  }
}

/** How deep an item lies in its message. */
const ITEM_LEVEL = 4;

/** Sends the items of one stream, as far as there is credit. */
class Sender {
  #credit: number;
  #batch: string[] = [];
  #bytes = 0;
  #failed: Failure | undefined;
  #last: Failure | undefined;
  #turn: Promise<void> = Promise.resolve();
  #scheduled = false;
  readonly #change = new Signal();
  readonly #connection: Connection;
  readonly #method: string;
  readonly #id: Id;
  readonly #head: number;
  readonly #most: number;

  constructor(
    connection: Connection,
    method: "rpc.output" | "rpc.input",
    id: Id,
  ) {
    this.#connection = connection;
    this.#method = method;
    this.#id = id;
    this.#credit = connection.theirs.streamWindowBytes;
    this.#head = Buffer.byteLength(this.#line([]));
    // The window counts the LF, the limit of lines does not.
    this.#most = Math.min(
      connection.theirs.streamWindowBytes - 1,
      connection.theirs.maxLineBytes,
    );
  }

  #line(items: string[]): string {
    const id = JSON.stringify(this.#id);
    return `{"jsonrpc":"2.0","method":"${this.#method}","params":{"id":${id},"items":[${items.join(",")}]}}`;
  }

  /** Queues an item, and waits while there is no credit for what is queued. */
  async send(item: unknown): Promise<void> {
    if (this.#failed) {
      throw this.#failed;
    }
    const text = encode(item, ITEM_LEVEL);
    const size = Buffer.byteLength(text);
    const [limit, line] = [this.#most, this.#head + size];
    if (line > limit) {
      throw this.#method === "rpc.output"
        ? wireError(MESSAGE_TOO_LARGE, { limit, size: line })
        : new Failure(
            "too_large",
            `an item makes a line of ${line} bytes, over the limit of ${limit}`,
          );
    }
    if (
      this.#batch.length > 0 &&
      this.#head + this.#bytes + size + 1 > Math.min(this.#most, 32 * 1024)
    ) {
      await this.flush();
    }
    this.#batch.push(text);
    this.#bytes += size + 1;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.flush().catch(() => undefined); // Whoever sends next is told.
      });
    }
  }

  /** Until everything that was queued is written. */
  flush(): Promise<void> {
    const turn = this.#turn.then(() => this.#flush());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #flush(): Promise<void> {
    while (this.#batch.length > 0) {
      while (this.#credit <= 0 && !this.#failed) {
        if (this.#last) {
          throw this.#last;
        }
        await this.#change.wait();
      }
      if (this.#failed) {
        throw this.#failed;
      }
      const line = this.#line(this.#batch);
      this.#batch = [];
      this.#bytes = 0;
      this.#credit -= Buffer.byteLength(line) + 1;
      this.#connection.write(line);
      await this.#connection.drained();
    }
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    this.#change.fire();
  }

  /** No more credit will come: what has some is still sent. */
  spend(failure: Failure): void {
    this.#last = failure;
    this.#change.fire();
  }

  /** Nothing more is sent. */
  fail(failure: Failure): void {
    this.#failed ??= failure;
    this.#batch = [];
    this.#change.fire();
  }
}

/** What a receiver makes of stream lines: room for a window, and credit as items are taken. */
class Inbox implements AsyncIterable<unknown> {
  #queue: { items: unknown[]; cost: number }[] = [];
  #room: number;
  #taken = 0;
  #end: { failure: Failure | undefined } | undefined;
  #dropped = false;
  readonly #window: number;
  readonly #change = new Signal();
  readonly #grant: (bytes: number) => void;

  constructor(window: number, grant: (bytes: number) => void) {
    this.#window = window;
    this.#room = window;
    this.#grant = grant;
  }

  /** Takes a line; false: there was no credit for it, or it came after the end. */
  put(items: unknown[], cost: number): boolean {
    if (this.#dropped) {
      return true; // It crossed with the end of the call.
    }
    if (this.#end || this.#room <= 0 || cost > this.#window) {
      return false;
    }
    this.#room -= cost;
    this.#queue.push({ items, cost });
    this.#change.fire();
    return true;
  }

  /** What was put in is still taken, then the end. */
  end(failure?: Failure): void {
    this.#end ??= { failure };
    this.#change.fire();
  }

  /** Nothing more is taken. */
  drop(failure: Failure): void {
    this.#dropped = true;
    this.#queue = [];
    this.#end = { failure };
    this.#change.fire();
  }

  /** Credit for what was taken, from half a window on. */
  #take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken >= this.#window / 2 && !this.#dropped) {
      this.#room += this.#taken;
      this.#grant(this.#taken);
      this.#taken = 0;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    for (;;) {
      const next = this.#queue.shift();
      if (next) {
        // Each item has its share of what its line cost.
        let left = next.cost;
        for (const [at, item] of next.items.entries()) {
          const share = Math.floor(left / (next.items.length - at));
          left -= share;
          this.#take(share);
          yield item;
          if (this.#dropped) {
            break;
          }
        }
        this.#take(left);
      } else if (this.#end) {
        if (this.#end.failure) {
          throw this.#end.failure;
        }
        return;
      } else {
        await this.#change.wait();
      }
    }
  }
}

/** A method's output: its items as they come, and in the end its result. Leaving the loop early cancels the call. */
export class Output<Item, Result = null> implements AsyncIterable<Item> {
  /** The summary, once the stream has ended. */
  readonly result: Promise<Result>;
  readonly #items: AsyncIterable<unknown>;
  readonly #cancel: (reason: string) => void;
  #ended = false;

  /** Made by the run-time. */
  constructor(
    items: AsyncIterable<unknown>,
    result: Promise<unknown>,
    cancel: (reason: string) => void,
  ) {
    this.#items = items;
    this.result = result as Promise<Result>;
    // Whoever reads the items alone is told by them.
    this.result.catch(() => undefined);
    this.#cancel = cancel;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, void> {
    try {
      for await (const item of this.#items) {
        yield item as Item;
      }
      await this.result;
      this.#ended = true;
    } finally {
      if (!this.#ended) {
        this.cancel();
      }
    }
  }

  /** Ends the call. */
  cancel(reason = "the caller takes no more"): void {
    this.#cancel(reason);
  }
}

// --- the connection -------------------------------------------------------------------------------------------------

/** How a call is made. */
export interface CallOptions {
  /** After this many milliseconds the call ends as failed: 30 000 if not said, `Infinity` for never. */
  timeoutMs?: number;
  /**
   * Cancels the call: it ends with the answer, which is its result where the work was done already, and after five
   * seconds without one.
   */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** W3C trace context. */
  traceparent?: string;
}

export interface Progress {
  progress: number;
  total?: number;
  message?: string;
}

export type Level = "trace" | "debug" | "info" | "warn" | "error";

export interface Log {
  level: Level;
  message: string;
  target?: string;
  fields?: JsonObject;
}

/** Whom a client calls: a plugin, or within a handler the host. */
export interface Caller {
  request(
    contract: Contract<unknown>,
    member: string,
    params: object,
    options?: CallOptions,
  ): Promise<unknown>;
  notify(contract: Contract<unknown>, member: string, params: object): void;
  stream(
    contract: Contract<unknown>,
    member: string,
    params: object,
    input: Iterable<unknown> | AsyncIterable<unknown> | undefined,
    options?: CallOptions,
  ): Output<unknown, unknown>;
}

/** A request of ours that has no answer yet. */
class Pending {
  id: number | undefined;
  ended = false;
  /** Why it cannot be sent. */
  refused: Failure | undefined;
  /** Its caller wants no more of it, but takes the answer. */
  cancelled: Failure | undefined;
  /** Nobody waits for it any more, or only for what the other side says to that. */
  givenUp = false;
  /** Looks at the result in the turn in which it is read. */
  take: ((result: unknown) => unknown) | undefined;
  outcome: ((result: unknown) => void) | undefined;
  failure: ((failure: Failure) => void) | undefined;
  place: (() => void) | undefined;
  timer: NodeJS.Timeout | undefined;
  unanswered: NodeJS.Timeout | undefined;
  inbox: Inbox | undefined;
  sender: Sender | undefined;
  lastProgress = -Infinity;
  readonly method: string;
  readonly depth: number;
  readonly parent: Call | undefined;
  readonly options: CallOptions;

  constructor(
    method: string,
    depth: number,
    parent: Call | undefined,
    options: CallOptions,
  ) {
    this.method = method;
    this.depth = depth;
    this.parent = parent;
    this.options = options;
  }

  get timeout(): number {
    return this.options.timeoutMs ?? Infinity;
  }
}

/** After this long without an answer, a call that was given up makes its plugin unhealthy. */
const UNANSWERED_MS = 5000;
/** What notifications that wait for their handler may hold. */
const LANE_BYTES = 4 * 1024 * 1024;
/** What each of them holds besides its line. */
const NOTIFICATION_BYTES = 256;
const LOG: Schema = {
  required: ["level", "message"],
  properties: {
    level: { enum: ["trace", "debug", "info", "warn", "error"] },
    message: { type: "string" },
    target: { type: "string" },
    fields: { type: "object" },
  },
};

/** A request that is being handled: what its handler may know and do. */
export class Call implements Caller {
  /** Aborted when the caller cancels, or its deadline passes. */
  readonly signal: AbortSignal;
  /** The caller's trace context. */
  readonly traceparent: string | undefined;
  /** @internal */
  readonly id: Id;
  /** @internal */
  readonly depth: number;
  /** @internal */
  readonly parent: Pending | undefined;
  /** @internal */
  inbox: Inbox | undefined;
  /** @internal */
  sender: Sender | undefined;
  /** @internal */
  stopped: RemoteError | undefined;
  readonly #controller = new AbortController();
  readonly #connection: Connection;
  readonly #deadline: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #progress = -Infinity;
  #answered = false;

  /** Made by the run-time. */
  constructor(
    connection: Connection,
    id: Id,
    depth: number,
    parent: Pending | undefined,
    meta: JsonObject,
  ) {
    this.#connection = connection;
    this.id = id;
    this.depth = depth;
    this.parent = parent;
    this.signal = this.#controller.signal;
    const { deadlineMs, traceparent } = meta;
    this.traceparent =
      typeof traceparent === "string" ? traceparent : undefined;
    if (isWhole(deadlineMs) && deadlineMs < 2 ** 31) {
      this.#deadline = performance.now() + deadlineMs;
      this.#timer = setTimeout(
        () => this.stop(wireError(DEADLINE_EXCEEDED)),
        deadlineMs,
      );
    }
  }

  /** Milliseconds until the caller gives up; `Infinity` where it did not say. */
  get remainingMs(): number {
    return this.#deadline === undefined
      ? Infinity
      : Math.max(0, this.#deadline - performance.now());
  }

  /** Tells the caller how far it is. Never goes back. */
  progress(progress: number, total?: number, message?: string): void {
    if (
      this.#answered ||
      !Number.isFinite(progress) ||
      progress < this.#progress
    ) {
      return;
    }
    if (
      this.#connection.side === "plugin" &&
      !this.#connection.features.has("progress")
    ) {
      return;
    }
    this.#progress = progress;
    this.#connection.tell("rpc.progress", {
      id: this.id,
      progress,
      total,
      message,
    });
  }

  /** Writes to the host's log. */
  log(level: Level, message: string, fields?: JsonObject): void {
    this.#connection.log({ level, message, ...(fields && { fields }) });
  }

  request(
    contract: Contract<unknown>,
    member: string,
    params: object,
    options?: CallOptions,
  ): Promise<unknown> {
    return this.#connection.call(
      contract,
      member,
      params,
      this.#bounded(options),
      this,
    );
  }

  notify(contract: Contract<unknown>, member: string, params: object): void {
    this.#connection.notify(contract, member, params, this);
  }

  stream(
    contract: Contract<unknown>,
    member: string,
    params: object,
    input: Iterable<unknown> | AsyncIterable<unknown> | undefined,
    options?: CallOptions,
  ): Output<unknown, unknown> {
    return this.#connection.stream(
      contract,
      member,
      params,
      input,
      this.#bounded(options),
      this,
    );
  }

  /** What is done for a call ends with it. */
  #bounded(options: CallOptions = {}): CallOptions {
    const remaining = this.remainingMs;
    return {
      ...options,
      timeoutMs: Math.min(options.timeoutMs ?? remaining, remaining),
    };
  }

  /** @internal */
  stop(error: RemoteError): void {
    if (this.#answered || this.stopped) {
      return;
    }
    this.stopped = error;
    this.inbox?.drop(error);
    this.sender?.fail(error);
    // What it called so far ends with it; what it calls from here on is to clean up.
    this.#connection.cancelCallsOf(this);
    this.#controller.abort(error);
  }

  /** @internal */
  finish(): boolean {
    clearTimeout(this.#timer);
    const first = !this.#answered;
    this.#answered = true;
    return first;
  }
}

/** What a side makes of the messages that are its own. */
interface Role {
  /** Before a method: which error, if any, stands in the way. */
  lifecycle(method: string): RemoteError | undefined;
  /** The protocol's requests to this side, but for `rpc.ping`. */
  requests: ReadonlyMap<string, (id: Id, params: JsonObject) => void>;
  log(log: Log): void;
  /** A line that is no message. */
  stray(line: Buffer): void;
  /** The connection cannot be trusted, or is over. */
  broken(failure: Failure): void;
  unhealthy(method: string): void;
}

/** One end of the protocol. */
class Connection {
  /** What the other side accepts. */
  theirs: Limits = { ...DEFAULTS, maxLineBytes: LINE_BEFORE_HANDSHAKE };
  /** What the other side declared. */
  features = new Set<string>();
  /** The host's methods, where the other side is one. */
  hostMethods = new Set<string>();
  readonly side: Server;
  readonly ours: Limits;
  readonly lines: Lines;
  readonly served = new Map<
    string,
    { info: MethodInfo; contract: Contract<unknown>; target: object }
  >();
  readonly #pending = new Map<number, Pending>();
  readonly #serving = new Map<Id, Call>();
  /** The protocol's requests that have no answer yet. */
  readonly #asked = new Map<Id, string>();
  readonly #load = new Map<number, number>();
  readonly #used = new Map<number, number>();
  readonly #idle = new Signal();
  readonly #role: Role;
  readonly #out: Writable;
  #waiting: { pending: Pending; send: () => void }[] = [];
  #nextId = 0;
  #lane: Promise<void> = Promise.resolve();
  #laneBytes = 0;
  #closed: Failure | undefined;

  constructor(side: Server, ours: Limits, role: Role, out: Writable) {
    this.side = side;
    this.ours = ours;
    this.#role = role;
    this.#out = out;
    this.lines = new Lines(
      (text, cost) => this.#line(text, cost),
      (limit, size) => {
        if (side === "plugin") {
          this.respond(null, wireError(MESSAGE_TOO_LARGE, { limit, size }));
        }
      },
      (limit) => {
        if (side === "host") {
          this.#break(
            new Failure("too_large", `a line over the limit of ${limit} bytes`),
          );
        }
      },
    );
  }

  serve(implementations: readonly Implementation[]): void {
    for (const { contract, target } of implementations) {
      for (const info of contract.methods) {
        this.served.set(info.name, { info, contract, target });
      }
    }
  }

  // Writing.

  write(line: string): void {
    if (!this.#closed || this.side === "plugin") {
      this.#out.write(`${line}\n`);
    }
  }

  /** Until the other side has taken what was written, nearly. */
  async drained(): Promise<void> {
    while (this.#out.writableNeedDrain && !this.#out.destroyed) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#out.off("drain", done);
          this.#out.off("close", done);
          resolve();
        };
        this.#out.on("drain", done);
        this.#out.on("close", done);
      });
    }
  }

  /** A notification of the protocol; dropped where it is too long, or cannot be said in JSON. */
  tell(method: string, params: object): void {
    let line: string;
    try {
      line = encode({ jsonrpc: "2.0", method, params });
    } catch (fault) {
      warn(`${method} cannot be sent: ${shown(fault)}`);
      return;
    }
    if (Buffer.byteLength(line) <= this.theirs.maxLineBytes) {
      this.write(line);
    }
  }

  log(log: Log): void {
    if (this.features.has("log")) {
      this.tell("rpc.log", log);
    }
  }

  respond(id: Id | null, outcome: unknown): void {
    const limit = this.theirs.maxLineBytes;
    let line: string;
    try {
      line = answerLine(id, outcome);
    } catch (fault) {
      warn(`an answer cannot be sent: ${shown(fault)}`);
      line = answerLine(id, wireError(INTERNAL_ERROR));
    }
    const size = Buffer.byteLength(line);
    if (size > limit) {
      line = answerLine(id, wireError(MESSAGE_TOO_LARGE, { limit, size }));
    }
    this.write(line);
  }

  /** Answers a request of the protocol, once. */
  answer(id: Id, outcome: unknown): void {
    if (this.#asked.delete(id)) {
      this.respond(id, outcome);
      this.#idle.fire();
    }
  }

  // Calling.

  /** A request of the protocol itself: it takes no place and is not queued. */
  ask(
    method: string,
    params: object,
    timeoutMs: number,
    take?: (result: unknown) => unknown,
  ): Promise<unknown> {
    const pending = new Pending(method, 0, undefined, { timeoutMs });
    pending.take = take;
    return this.#begin(pending, params);
  }

  async call(
    contract: Contract<unknown>,
    member: string,
    params: object,
    options: CallOptions,
    parent?: Call,
  ): Promise<unknown> {
    const info = find(contract, member);
    const pending = this.#prepare(contract, info, params, options, parent);
    return this.#read(
      contract,
      info,
      await this.#mapped(contract, info, this.#begin(pending, params)),
    );
  }

  stream(
    contract: Contract<unknown>,
    member: string,
    params: object,
    input: Iterable<unknown> | AsyncIterable<unknown> | undefined,
    options: CallOptions,
    parent?: Call,
  ): Output<unknown, unknown> {
    const info = find(contract, member);
    const pending = this.#prepare(contract, info, params, options, parent);
    const items = new Inbox(this.ours.streamWindowBytes, (bytes) => {
      if (!pending.ended) {
        this.tell("rpc.outputCredit", { id: pending.id, bytes });
      }
    });
    pending.inbox = info.output === undefined ? undefined : items;
    const begun = this.#begin(pending, params, (id) => {
      if (input !== undefined) {
        pending.sender = new Sender(this, "rpc.input", id);
        void this.#pump(contract, info, pending, pending.sender, id, input);
      }
    });
    const result = this.#mapped(contract, info, begun).then((result) =>
      this.#read(contract, info, result),
    );
    const read = async function* (
      connection: Connection,
    ): AsyncGenerator<unknown, void, void> {
      for await (const item of items) {
        yield connection.#read(
          contract,
          { ...info, result: info.output },
          item,
        );
      }
    };
    // The items end as the call does, and with the same error.
    result.then(
      () => items.end(),
      (failure: unknown) => items.end(asFailure(failure)),
    );
    return new Output(read(this), result, (reason) => {
      this.#cancel(
        pending,
        new Failure("cancelled", `${info.name} was cancelled: ${reason}`),
        reason,
      );
    });
  }

  notify(
    contract: Contract<unknown>,
    member: string,
    params: object,
    parent?: Call,
  ): void {
    const info = find(contract, member);
    const { name } = info;
    const refused = this.#closed ?? this.#refusal(contract, info, params);
    if (refused) {
      throw refused;
    }
    const line = encode({
      jsonrpc: "2.0",
      method: name,
      params: withMeta(params, parent && { parent: parent.id }),
    });
    this.#mayBeSent(line, name);
    this.write(line);
  }

  #prepare(
    contract: Contract<unknown>,
    info: MethodInfo,
    params: object,
    options: CallOptions,
    parent: Call | undefined,
  ): Pending {
    const depth = parent ? parent.depth + 1 : 0;
    const pending = new Pending(info.name, depth, parent, options);
    pending.refused = this.#refusal(contract, info, params);
    return pending;
  }

  /** Why the other side is not sent this. */
  #refusal(
    contract: Contract<unknown>,
    info: MethodInfo,
    params: object,
  ): Failure | undefined {
    const { name, input, output } = info;
    if (this.side === "plugin" && !this.hostMethods.has(name)) {
      return missing(name);
    }
    if (name.startsWith("rpc.")) {
      const what = `${name} is the protocol's own`;
      return new Failure("invalid_request", what, { method: name });
    }
    if (
      this.side === "host" &&
      (input !== undefined || output !== undefined) &&
      !this.features.has("streams")
    ) {
      const what = `${name} has a stream, and the plugin declares none`;
      return new Failure("unsupported", what, { method: name });
    }
    const [first] = contract.reader.take(info.params, params).faults;
    return first && breach(info, first);
  }

  #begin(
    pending: Pending,
    params: object,
    sent?: (id: number) => void,
  ): Promise<unknown> {
    const done = new Promise<unknown>((resolve, reject) => {
      pending.outcome = resolve;
      pending.failure = reject;
    });
    const { options, method } = pending;
    const began = performance.now();
    const refused = this.#closed ?? pending.refused;
    if (refused) {
      this.#end(pending, refused);
      return done;
    }
    if (options.signal?.aborted) {
      this.#end(
        pending,
        new Failure("cancelled", `${method} was cancelled before it was sent`),
      );
      return done;
    }
    if (Number.isFinite(pending.timeout)) {
      // Node takes no longer timer than 2^31 − 1 ms.
      pending.timer = setTimeout(
        () => {
          this.#end(pending, this.#late(pending));
        },
        Math.min(pending.timeout, 2 ** 31 - 1),
      );
    }
    const abort = (): void => {
      this.#cancel(
        pending,
        new Failure("cancelled", `${method} was cancelled`, { method }),
      );
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    done
      .catch(() => undefined)
      .finally(() => options.signal?.removeEventListener("abort", abort));
    this.#place(pending, () => {
      const id = this.#nextId;
      const deadlineMs = Math.max(
        0,
        Math.round(pending.timeout - (performance.now() - began)),
      );
      const meta = {
        ...(Number.isFinite(pending.timeout) &&
          method !== "rpc.initialize" && { deadlineMs }),
        ...(pending.parent && { parent: pending.parent.id }),
        ...(options.traceparent !== undefined && {
          traceparent: options.traceparent,
        }),
      };
      try {
        const line = encode({
          jsonrpc: "2.0",
          id,
          method,
          params: withMeta(params, meta),
        });
        this.#mayBeSent(line, method);
        this.#nextId += 1;
        pending.id = id;
        this.#pending.set(id, pending);
        this.write(line);
      } catch (fault) {
        const message = `${method} cannot be sent: ${(fault as Error).message}`;
        this.#end(
          pending,
          fault instanceof Failure
            ? fault
            : new Failure("invalid_request", message, { method }),
        );
        return;
      }
      sent?.(id);
    });
    return done;
  }

  #late({ method, timeout }: Pending): Failure {
    const what = `${method} was not answered within ${Math.round(timeout)} ms`;
    return new Failure("timeout", what, { method });
  }

  #mayBeSent(line: string, method: string): void {
    const size = Buffer.byteLength(line);
    const limit = this.theirs.maxLineBytes;
    if (size > limit) {
      throw new Failure(
        "too_large",
        `${method} has ${size} bytes, over the receiver's limit of ${limit}`,
        { method },
      );
    }
  }

  /** Runs `send` once the receiver has a place for the request. */
  #place(pending: Pending, send: () => void): void {
    const { depth } = pending;
    if (pending.method.startsWith("rpc.")) {
      send();
    } else if (
      (this.#used.get(depth) ?? 0) < this.theirs.maxInFlight &&
      !this.#waiting.some((other) => other.pending.depth === depth)
    ) {
      this.#enter(pending, send);
    } else {
      this.#waiting.push({ pending, send });
    }
  }

  #enter(pending: Pending, send: () => void): void {
    const { depth } = pending;
    this.#used.set(depth, (this.#used.get(depth) ?? 0) + 1);
    pending.place = () => {
      pending.place = undefined;
      this.#used.set(depth, (this.#used.get(depth) ?? 1) - 1);
      const at = this.#waiting.findIndex(
        (other) => other.pending.depth === depth,
      );
      const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (next) {
        this.#enter(next.pending, next.send);
      }
    };
    send();
  }

  /** Its caller wants no more of a call: it ends with its answer, which may say that the work was done already. */
  #cancel(pending: Pending, failure: Failure, reason?: string): void {
    if (pending.ended || pending.cancelled) {
      return;
    }
    pending.cancelled = failure;
    pending.sender?.fail(failure);
    pending.inbox?.drop(failure);
    if (!this.#giveUp(pending, reason ?? failure.message)) {
      this.#end(pending, failure);
    }
  }

  /** What is called in the handling of a request. */
  cancelCallsOf(call: Call): void {
    const all = [
      ...this.#pending.values(),
      ...this.#waiting.map((waiting) => waiting.pending),
    ];
    for (const pending of all) {
      if (pending.parent === call) {
        const what = `${pending.method} ended with the call that it was made for`;
        this.#cancel(pending, new Failure("cancelled", what));
      }
    }
  }

  /** Ends a call for its caller; the receiver's place stays taken until it answers. */
  #end(pending: Pending, failure: Failure): void {
    if (pending.ended) {
      return;
    }
    pending.ended = true;
    clearTimeout(pending.timer);
    pending.sender?.fail(failure);
    pending.inbox?.drop(failure);
    pending.failure?.(failure);
    if (pending.id === undefined) {
      this.#waiting = this.#waiting.filter(
        (other) => other.pending !== pending,
      );
      pending.place?.();
    } else {
      this.#giveUp(pending, failure.message);
    }
  }

  /** Says once that nobody waits for a call any more; false: the other side is not told. */
  #giveUp(pending: Pending, reason: string): boolean {
    const { id, method } = pending;
    if (id === undefined || !this.#pending.has(id) || this.#closed) {
      return false;
    }
    const told =
      method !== "rpc.initialize" &&
      (this.side === "plugin" || this.features.has("cancel"));
    if (pending.givenUp) {
      return told;
    }
    pending.givenUp = true;
    if (told) {
      this.tell("rpc.cancel", { id, reason });
    }
    for (const call of this.#serving.values()) {
      if (call.parent === pending) {
        call.stop(wireError(CANCELLED));
      }
    }
    pending.unanswered = setTimeout(() => {
      this.#role.unhealthy(method);
      if (pending.cancelled) {
        this.#end(pending, pending.cancelled);
      }
    }, UNANSWERED_MS);
    pending.unanswered.unref();
    return told;
  }

  async #pump(
    contract: Contract<unknown>,
    info: MethodInfo,
    pending: Pending,
    sender: Sender,
    id: number,
    input: Iterable<unknown> | AsyncIterable<unknown>,
  ): Promise<void> {
    try {
      for await (const item of input) {
        if (pending.ended || pending.cancelled) {
          return;
        }
        const {
          json,
          faults: [first],
        } = contract.reader.take(info.input ?? true, item);
        if (first) {
          throw breach(info, first, "an item");
        }
        await sender.send(json);
      }
      await sender.flush();
      if (!pending.ended && !pending.cancelled && this.#pending.has(id)) {
        this.tell("rpc.inputEnd", { id });
      }
    } catch (fault) {
      // Once the call has ended, its answer says why.
      if (!pending.cancelled) {
        this.#end(pending, asFailure(fault));
      }
    }
  }

  /** Turns the codes that a contract declares into its errors. */
  async #mapped(
    contract: Contract<unknown>,
    info: MethodInfo,
    done: Promise<unknown>,
  ): Promise<unknown> {
    try {
      return await done;
    } catch (fault) {
      if (fault instanceof RemoteError && info.errors !== "any") {
        const known = info.errors.find((error) => error.code === fault.code);
        const schema = info.data.get(fault.code) ?? true;
        const { made, faults } = contract.reader.take(schema, fault.data);
        if (known && faults.length === 0) {
          throw known.of(fault.message, made);
        }
      }
      throw fault;
    }
  }

  #read(
    contract: Contract<unknown>,
    info: MethodInfo,
    value: unknown,
  ): unknown {
    const {
      made,
      faults: [first],
    } = contract.reader.take(info.result ?? true, value);
    if (first) {
      const what = `${info.name} answered what its contract does not let through: ${first.path || "the value"} ${first.message}`;
      throw new Failure("protocol_violation", what, { method: info.name });
    }
    return made;
  }

  // Receiving.

  #line(bytes: Buffer, cost: number): void {
    if (this.#closed && this.side === "host") {
      return;
    }
    let text: string;
    let message: unknown;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
        bytes,
      );
      message = JSON.parse(text);
    } catch {
      this.#invalid(null, PARSE_ERROR, bytes);
      return;
    }
    if (!isObject(message)) {
      this.#invalid(null, INVALID_REQUEST, bytes);
      return;
    }
    const { id, method } = message;
    const versioned = message["jsonrpc"] === "2.0";
    const ends = ["result", "error"].filter((end) =>
      Object.hasOwn(message, end),
    ).length;
    const hasId = Object.hasOwn(message, "id");
    const hasMethod = Object.hasOwn(message, "method");
    if (typeof method === "string" && !hasId && ends === 0) {
      if (
        versioned &&
        (!Object.hasOwn(message, "params") || isObject(message["params"]))
      ) {
        try {
          this.#notified(method, (message["params"] ?? {}) as JsonObject, cost);
        } catch (fault) {
          warn(`${quote(Buffer.from(method))}: ${shown(fault)}`);
        }
      } else {
        warn(`a faulty notification: ${quote(bytes)}`);
      }
      return;
    }
    const goodId =
      isId(id) &&
      (typeof id === "string" || /^\d+$/.test(writtenId(text) ?? ""));
    if (!hasMethod && ends === 1 && goodId && versioned && isAnswer(message)) {
      this.#answered(id, message);
      return;
    }
    if (
      !hasMethod ||
      ends > 0 ||
      !goodId ||
      this.#serving.has(id) ||
      this.#asked.has(id)
    ) {
      this.#invalid(null, INVALID_REQUEST, bytes);
      return;
    }
    const params = Object.hasOwn(message, "params") ? message["params"] : {};
    if (
      !versioned ||
      typeof method !== "string" ||
      typeof params !== "object" ||
      params === null
    ) {
      this.#invalid(id, INVALID_REQUEST, bytes);
      return;
    }
    try {
      this.#request(id, method, params);
    } catch (fault) {
      this.#asked.delete(id);
      this.respond(
        id,
        fault instanceof RemoteError ? fault : wireError(INTERNAL_ERROR),
      );
    }
  }

  /** A plugin answers; a host tells stray output from a broken plugin. */
  #invalid(id: Id | null, code: number, line: Buffer): void {
    if (this.side === "plugin") {
      this.respond(id, wireError(code));
      return;
    }
    let known = true;
    try {
      const parsed: unknown = JSON.parse(line.toString());
      const names = ["jsonrpc", "id", "method", "result", "error"];
      known =
        isObject(parsed) && names.some((name) => Object.hasOwn(parsed, name));
    } catch {
      known = /^\s*\{/.test(line.toString());
    }
    if (known || line.includes('"jsonrpc"')) {
      this.#break(
        new Failure("protocol_violation", `not a message: ${quote(line)}`, {
          stray: quote(line),
        }),
      );
    } else {
      this.#role.stray(line);
    }
  }

  #answered(id: Id, message: JsonObject): void {
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (!pending || typeof id !== "number") {
      warn(`an answer to nothing that was asked: ${JSON.stringify(id)}`);
      return;
    }
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    clearTimeout(pending.unanswered);
    pending.place?.();
    if (!pending.ended) {
      pending.ended = true;
      const { error } = message;
      const { code, message: text, data } = isObject(error) ? error : {};
      if (typeof code === "number") {
        // Whose clock was first is no matter: the caller's deadline passed.
        const failure =
          code === DEADLINE_EXCEEDED && Number.isFinite(pending.timeout)
            ? this.#late(pending)
            : code === CANCELLED && pending.cancelled
              ? pending.cancelled
              : new RemoteError(code, String(text), data);
        pending.sender?.fail(failure);
        pending.failure?.(failure);
      } else {
        pending.sender?.fail(
          new Failure("closed", `${pending.method} has its answer`),
        );
        try {
          const result = message["result"];
          pending.outcome?.(pending.take ? pending.take(result) : result);
        } catch (fault) {
          pending.failure?.(asFailure(fault));
        }
      }
    }
  }

  #notified(method: string, params: JsonObject, cost: number): void {
    const { id, items, bytes } = params;
    const call = isId(id) ? this.#serving.get(id) : undefined;
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    switch (method) {
      case "rpc.cancel":
        call?.stop(wireError(CANCELLED));
        return;
      case "rpc.input":
        if (
          call &&
          !(call.inbox && Array.isArray(items) && call.inbox.put(items, cost))
        ) {
          call.stop(wireError(STREAM_VIOLATION));
        }
        return;
      case "rpc.inputEnd":
        call?.inbox?.end();
        return;
      case "rpc.outputCredit":
        if (isWhole(bytes)) {
          call?.sender?.credit(bytes);
        }
        return;
      case "rpc.inputCredit":
        if (isWhole(bytes)) {
          pending?.sender?.credit(bytes);
        }
        return;
      case "rpc.output":
        if (
          pending &&
          !pending.ended &&
          !(
            pending.inbox &&
            Array.isArray(items) &&
            pending.inbox.put(items, cost)
          )
        ) {
          this.#break(
            new Failure(
              "stream_violation",
              `${pending.method} sent output that it had no credit for`,
            ),
          );
        }
        return;
      case "rpc.progress":
        if (pending && !pending.ended) {
          this.#progressed(pending, params);
        }
        return;
      case "rpc.log":
        this.#logged(params);
        return;
      default:
        this.#contractNotification(method, params, cost);
    }
  }

  #progressed(pending: Pending, params: JsonObject): void {
    const { progress, total, message } = params;
    if (isFiniteNumber(progress) && progress >= pending.lastProgress) {
      pending.lastProgress = progress;
      pending.options.onProgress?.({
        progress,
        ...(isFiniteNumber(total) && { total }),
        ...(typeof message === "string" && { message }),
      });
    }
  }

  #logged(params: JsonObject): void {
    const { level, message, target, fields } = params;
    const { faults } = new Reader({}).take(LOG, {
      level,
      message,
      target,
      fields,
    });
    if (faults.length > 0) {
      warn(`a faulty rpc.log: ${JSON.stringify(faults)}`);
      return;
    }
    this.#role.log({
      level: level as Level,
      message: message as string,
      ...(target !== undefined && { target: target as string }),
      ...(fields !== undefined && { fields: fields as JsonObject }),
    });
  }

  /** Handled one after another, in their order. */
  #contractNotification(
    method: string,
    params: JsonObject,
    cost: number,
  ): void {
    const known = this.served.get(method);
    if (
      !known ||
      known.info.result !== undefined ||
      this.#role.lifecycle(method)
    ) {
      warn(`a notification that nobody takes: ${quote(Buffer.from(method))}`);
      return;
    }
    const { _meta: _, ...own } = params;
    const { contract, info } = known;
    const { made, faults } = contract.reader.take(info.params, own);
    if (faults.length > 0) {
      const told = JSON.stringify(faults);
      warn(`${method} came with params that break its contract: ${told}`);
      return;
    }
    const bytes = cost + NOTIFICATION_BYTES;
    if (this.#laneBytes > 0 && this.#laneBytes + bytes > LANE_BYTES) {
      const what = `more notifications wait than may: ${method} is not handled in time`;
      this.#break(new Failure("overloaded", what));
      return;
    }
    this.#laneBytes += bytes;
    const before = this.#lane;
    const run = async (): Promise<void> => {
      await before;
      try {
        await invoke(known.target, known.info, made, undefined, undefined);
      } catch (fault) {
        warn(`${method}: ${shown(fault)}`);
      }
      this.#laneBytes -= bytes;
    };
    this.#lane = run();
  }

  #request(id: Id, method: string, params: object): void {
    const refusal = this.#role.lifecycle(method);
    if (refusal) {
      throw refusal;
    }
    const protocol =
      method === "rpc.ping"
        ? () => this.answer(id, {})
        : this.#role.requests.get(method);
    if (protocol) {
      const own = ownParams(params);
      this.#asked.set(id, method);
      protocol(id, own);
      return;
    }
    const known = this.served.get(method);
    if (!known || known.info.result === undefined) {
      throw wireError(METHOD_NOT_FOUND);
    }
    const { info, contract, target } = known;
    const streams = info.input !== undefined || info.output !== undefined;
    if (streams && !this.features.has("streams")) {
      throw wireError(METHOD_NOT_FOUND);
    }
    const { made, faults: errors } = contract.reader.take(
      info.params,
      ownParams(params),
    );
    if (errors.length > 0) {
      throw wireError(INVALID_PARAMS, { errors });
    }
    const given = (params as JsonObject)["_meta"];
    const meta = isObject(given) ? given : {};
    const parent =
      typeof meta["parent"] === "number"
        ? this.#pending.get(meta["parent"])
        : undefined;
    const depth = parent ? parent.depth + 1 : 0;
    if (depth > this.ours.maxDepth) {
      throw wireError(OVERLOADED, { limit: this.ours.maxDepth });
    }
    const load = this.#load.get(depth) ?? 0;
    if (load >= this.ours.maxInFlight) {
      throw wireError(OVERLOADED, { limit: this.ours.maxInFlight });
    }
    const call = new Call(this, id, depth, parent, meta);
    if (info.input !== undefined) {
      call.inbox = new Inbox(this.ours.streamWindowBytes, (bytes) =>
        this.tell("rpc.inputCredit", { id, bytes }),
      );
    }
    if (info.output !== undefined) {
      call.sender = new Sender(this, "rpc.output", id);
    }
    this.#load.set(depth, load + 1);
    this.#serving.set(id, call);
    // Notifications that came before are handled before.
    const handled = this.#lane.then(() =>
      this.#run(contract, info, target, call, made),
    );
    void handled.then(
      // A handler that took no notice that its caller broke the rules has no result for it.
      (result) =>
        this.#finish(
          call,
          call.stopped?.code === STREAM_VIOLATION ? call.stopped : result,
        ),
      (fault: unknown) =>
        this.#finish(call, this.#answerOf(contract, info, call, fault)),
    );
  }

  async #run(
    contract: Contract<unknown>,
    info: MethodInfo,
    target: object,
    call: Call,
    params: unknown,
  ): Promise<unknown> {
    if (call.stopped) {
      throw call.stopped;
    }
    const check = (schema: Schema, value: unknown): unknown => {
      const {
        json,
        faults: [first],
      } = contract.reader.take(schema, value);
      if (first) {
        throw new Error(
          `${info.name} made what its contract does not let through: ${first.path} ${first.message}`,
        );
      }
      return json;
    };
    const input =
      call.inbox && readItems(contract.reader, info.input ?? true, call.inbox);
    const returned = invoke(target, info, params, input, call);
    if (!call.sender) {
      return check(info.result ?? true, await returned);
    }
    const iterator = iterate(await returned);
    try {
      for (;;) {
        const step = await iterator.next();
        if (call.stopped) {
          throw call.stopped;
        }
        if (step.done) {
          await call.sender.flush();
          return check(info.result ?? true, step.value);
        }
        await call.sender.send(check(info.output ?? true, step.value));
      }
    } catch (fault) {
      // What was made before the error comes before it.
      if (!call.stopped) {
        await call.sender.flush();
      }
      throw fault;
    } finally {
      await iterator.return?.();
    }
  }

  #answerOf(
    contract: Contract<unknown>,
    info: MethodInfo,
    call: Call,
    fault: unknown,
  ): RemoteError {
    if (call.stopped) {
      return call.stopped;
    }
    if (fault instanceof RemoteError) {
      const declared =
        info.errors === "any" ||
        info.errors.some((error) => error.code === fault.code);
      const schema = info.data.get(fault.code) ?? true;
      const isFit =
        fault.data === undefined ||
        contract.reader.take(schema, fault.data).faults.length === 0;
      if (isFit && (declared || OWN.includes(fault.code))) {
        return fault;
      }
    }
    warn(`${info.name}: ${shown(fault)}`);
    return wireError(INTERNAL_ERROR);
  }

  #finish(call: Call, outcome: unknown): void {
    if (!call.finish()) {
      return;
    }
    call.sender?.fail(wireError(CANCELLED));
    call.inbox?.drop(wireError(CANCELLED));
    this.#serving.delete(call.id);
    this.#load.set(call.depth, (this.#load.get(call.depth) ?? 1) - 1);
    this.respond(call.id, outcome);
    this.#idle.fire();
  }

  // The end.

  /** Whether something is being handled that a shutdown waits for. */
  #isBusy(): boolean {
    return (
      this.#serving.size > 0 ||
      [...this.#asked.values()].some((method) => method !== "rpc.shutdown")
    );
  }

  /** Until nothing is being handled, for at most this long. */
  async settled(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (this.#isBusy() && performance.now() < until) {
      const timer = setTimeout(
        () => this.#idle.fire(),
        Math.min(until - performance.now(), 2 ** 31 - 1),
      );
      await this.#idle.wait();
      clearTimeout(timer);
    }
  }

  cancelServed(): void {
    [...this.#serving.values()].forEach((call) =>
      call.stop(wireError(CANCELLED)),
    );
  }

  /** Answers in the stead of handlers that do not end. */
  abandonServed(): void {
    [...this.#serving.values()].forEach((call) =>
      this.#finish(call, call.stopped ?? wireError(CANCELLED)),
    );
    for (const [id, method] of [...this.#asked]) {
      if (method !== "rpc.shutdown") {
        this.answer(id, wireError(CANCELLED));
      }
    }
  }

  /** Nobody will answer what is pending. */
  close(failure: Failure): void {
    this.#closed ??= failure;
    const ended = [
      ...this.#pending.values(),
      ...this.#waiting.map((waiting) => waiting.pending),
    ];
    this.#pending.clear();
    this.#waiting = [];
    for (const pending of ended) {
      clearTimeout(pending.unanswered);
      pending.place = undefined;
      this.#end(pending, this.#closed);
    }
    for (const call of this.#serving.values()) {
      if (this.side === "host") {
        call.stop(wireError(CANCELLED));
      } else {
        // Neither input nor credit comes any more; what came already is enough for some.
        call.inbox?.end(wireError(CANCELLED));
        call.sender?.spend(wireError(CANCELLED));
      }
    }
  }

  #break(failure: Failure): void {
    if (!this.#closed) {
      this.#role.broken(failure);
    }
  }
}

/** The line of a response. */
function answerLine(id: Id | null, outcome: unknown): string {
  const jsonrpc = "2.0";
  if (outcome instanceof RemoteError) {
    const { code, message, data } = outcome;
    return encode({ jsonrpc, id, error: { code, message, data } });
  }
  return encode({ jsonrpc, id, result: outcome ?? null });
}

/** The params of a request without what is the protocol's. */
function ownParams(params: object): JsonObject {
  if (!isObject(params)) {
    throw wireError(INVALID_PARAMS, {
      errors: [{ path: "", message: "must be of type object" }],
    });
  }
  const { _meta: _, ...own } = params;
  return own;
}

/** What a caller gives and the contract does not let through. */
function breach(info: MethodInfo, fault: Fault, what = "params"): Failure {
  const text = `${info.name}: ${what} that its contract does not let through: ${fault.path} ${fault.message}`;
  return new Failure("invalid_request", text, { method: info.name });
}

function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function find(contract: Contract<unknown>, member: string): MethodInfo {
  const info = contract.methods.find((method) => method.member === member);
  if (!info) {
    throw new Failure("invalid_request", `${contract.name} has no ${member}`);
  }
  return info;
}

function missing(name: string): RemoteError {
  return new RemoteError(
    METHOD_NOT_FOUND,
    `the host has no ${name}`,
    undefined,
  );
}

function withMeta(params: object, meta: object | undefined): object {
  return meta && Object.keys(meta).length > 0
    ? { ...params, _meta: meta }
    : params;
}

function isAnswer(message: JsonObject): boolean {
  const { error } = message;
  return (
    error === undefined ||
    (isObject(error) &&
      Number.isSafeInteger(error["code"]) &&
      typeof error["message"] === "string")
  );
}

function asFailure(fault: unknown): Failure {
  return fault instanceof Failure
    ? fault
    : new Failure(
        "invalid_request",
        fault instanceof Error ? String(fault) : inspect(fault),
      );
}

/** Calls a member of an implementation: params where the method has any, then its input, then the call. */
function invoke(
  target: object,
  info: MethodInfo,
  params: unknown,
  input: unknown,
  call: Call | undefined,
): unknown {
  const method = (target as Record<string, unknown>)[info.member];
  if (typeof method !== "function") {
    throw new TypeError(`the implementation has no ${info.member}`);
  }
  const given = [
    ...(info.takes === "params" ? [params] : []),
    ...(input === undefined ? [] : [input]),
    ...(call ? [call] : []),
  ];
  return (method as (...given: unknown[]) => unknown).apply(target, given);
}

async function* readItems(
  reader: Reader,
  schema: Schema,
  items: AsyncIterable<unknown>,
): AsyncGenerator<unknown> {
  for await (const item of items) {
    const { made, faults: errors } = reader.take(schema, item);
    if (errors.length > 0) {
      throw wireError(INVALID_PARAMS, { errors });
    }
    yield made;
  }
}

function iterate(
  returned: unknown,
): Iterator<unknown> | AsyncIterator<unknown> {
  const items = returned as
    Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  const made =
    items?.[Symbol.asyncIterator]?.() ?? items?.[Symbol.iterator]?.();
  if (!made) {
    throw new TypeError(
      "a method with output must return its items: write it as a generator",
    );
  }
  return made;
}

/** The first bytes of a line, harmless to print. */
function quote(line: Buffer): string {
  const text = line.subarray(0, 200).toString();
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (mark) => `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

// --- a plugin that is started ---------------------------------------------------------------------------------------

/** How a plugin is started. */
export interface StartOptions {
  /** What the plugin is configured with. */
  config?: unknown;
  /** The contracts that this host serves to the plugin. */
  serves?: readonly Implementation[];
  /** Added to what a plugin is given of the environment. */
  env?: Record<string, string>;
  cwd?: string;
  /** How long the start may take: 10 000 if not said. */
  startTimeoutMs?: number;
  /** How long a call may take that does not say: 30 000, `Infinity` for ever. */
  callTimeoutMs?: number;
  /** How long it may live on when its input is closed, before SIGTERM: 3000 if not said. */
  closeMs?: number;
  /** How long after SIGTERM, before SIGKILL: 2000 if not said. */
  termMs?: number;
  limits?: Partial<Limits>;
  /** How this instance is known to the host. */
  instance?: string;
  host?: { name: string; version: string };
  onLog?: (log: Log) => void;
  /** A line of standard output that is no message, quoted. */
  onStray?: (line: string) => void;
  onStderr?: (text: string) => void;
  /** The plugin left a call unanswered: it should be replaced. */
  onUnhealthy?: (method: string) => void;
}

/** How a plugin ended. */
export interface Exit {
  code: number | undefined;
  signal: string | undefined;
  /** What it took: it was gone already, it was asked to, or it got SIGTERM or SIGKILL. */
  rung: "gone" | "asked" | "terminated" | "killed";
  /** Whether it was stopped, or dropped. */
  wanted: boolean;
  stderrTail: string;
}

/** What of this process's environment a plugin is given. */
const ENVIRONMENT = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_.*|TZ|TMPDIR)$/;

/** A process that has begun. Whatever keeps it from that is one failure. */
async function spawned(
  command: readonly string[],
  options: StartOptions,
): Promise<ChildProcess> {
  const [program, ...words] = command;
  if (program === undefined) {
    throw new Failure("invalid_request", "an empty command starts no plugin");
  }
  const inherited = Object.entries(process.env).filter(([name]) =>
    ENVIRONMENT.test(name),
  );
  try {
    const child = spawn(program, words, {
      cwd: options.cwd,
      detached: true, // a session of its own, and so a group that can be ended as a whole
      env: {
        ...Object.fromEntries(inherited),
        ...options.env,
        PLUGLINE_PROTOCOL: "1",
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return child;
  } catch (fault) {
    const what = `${program} cannot be started: ${(fault as Error).message}`;
    const evidence = { command: command.join(" "), phase: "spawn" };
    throw new Failure("spawn_failed", what, evidence);
  }
}

/** A running plugin. */
export class Plugin implements Caller {
  /** Its name and version. */
  about = { name: "", version: "" };
  /** The contracts it provides. */
  provides: Provided[] = [];
  /** Once it has ended, and is reaped. */
  readonly exited: Promise<Exit>;
  readonly #command: readonly string[];
  readonly #options: StartOptions;
  readonly #child: ChildProcess;
  readonly #connection: Connection;
  #greeted = false;
  #rung: Exit["rung"] = "gone";
  #wanted = false;
  #stderr = "";
  #stray: string | undefined;
  #strays = 0;
  #failure: Failure | undefined;
  #stopping: Promise<void> | undefined;
  /** The leader of its group is gone: the number may be somebody else's. */
  #reaped = false;

  private constructor(
    command: readonly string[],
    options: StartOptions,
    child: ChildProcess,
  ) {
    this.#command = command;
    this.#options = options;
    this.#child = child;
    const { stdin, stdout, stderr } = this.#child as {
      stdin: Writable;
      stdout: Readable;
      stderr: Readable;
    };
    const limits = { ...DEFAULTS, ...options.limits };
    this.#connection = new Connection("host", limits, this.#role(), stdin);
    this.#connection.serve(options.serves ?? []);
    stdout.on("data", (chunk: Buffer) => this.#connection.lines.feed(chunk));
    stdout.on(
      "end",
      () => void this.#over("closed", "closed its standard output"),
    );
    stdout.on("error", () => undefined); // its end follows
    stdin.on(
      "error",
      () => void this.#over("closed", "closed its standard input"),
    );
    stderr.on("error", () => undefined);
    stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-8192);
      options.onStderr?.(chunk.toString());
    });
    child.on("error", () => undefined); // its end follows
    this.exited = new Promise((resolve) => {
      this.#child.on("exit", () => {
        // Node reaps its children before it tells of them, so what is left of the group is ended in the same turn, while
        // whoever is left in it keeps the number from being given anew; and nothing is signalled after that.
        this.#kill("SIGKILL");
        this.#reaped = true;
        // What it wrote before its end is still read, unless somebody else holds the pipe.
        const give = setTimeout(() => {
          stdout.destroy();
          stderr.destroy();
        }, 500);
        const over = (): void => {
          if (!stdout.closed || !stderr.closed) {
            return;
          }
          clearTimeout(give);
          void this.#over("plugin_exited", this.#how());
          stdin.destroy();
          resolve(this.#exit());
        };
        stdout.once("close", over);
        stderr.once("close", over);
        over();
      });
    });
  }

  /** Runs a plugin and shakes hands with it. */
  static async start(
    command: readonly string[],
    options: StartOptions = {},
  ): Promise<Plugin> {
    const child = await spawned(command, options);
    const plugin = new Plugin(command, options, child);
    try {
      await plugin.#handshake();
      return plugin;
    } catch (fault) {
      void plugin.#end("close");
      throw fault;
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async #handshake(): Promise<void> {
    const options = this.#options;
    const served = [...this.#connection.served.keys()];
    const timeout = options.startTimeoutMs ?? 10_000;
    try {
      await this.#connection.ask(
        "rpc.initialize",
        {
          protocolVersions: [1],
          host: options.host ?? {
            name: "plugline-typescript",
            version: "1.0.0",
          },
          ...(options.instance !== undefined && { instance: options.instance }),
          config: options.config === undefined ? {} : options.config,
          limits: this.#connection.ours,
          capabilities: {
            progress: {},
            log: {},
            streams: {},
            ...(served.length > 0 && { callbacks: { methods: served } }),
          },
        },
        timeout,
        (answer) => this.#greet(answer),
      );
    } catch (fault) {
      throw this.#startFailure(fault, timeout);
    }
  }

  /** What holds from the answer to `rpc.initialize` on: the line after it may need it already. */
  #greet(answer: unknown): void {
    const [first] = new Reader({}).take(GREETING, answer).faults;
    if (first) {
      const what = `the answer to rpc.initialize is none: ${first.path} ${first.message}`;
      throw new Failure("handshake_invalid", what, this.#evidence("start"));
    }
    const greeting = answer as Greeting;
    if (greeting.protocolVersion !== 1) {
      const what = `the plugin answered with version ${greeting.protocolVersion} of the protocol, which was not offered`;
      throw new Failure("version_mismatch", what, this.#evidence("start"));
    }
    const connection = this.#connection;
    connection.theirs = { ...DEFAULTS, ...greeting.limits };
    connection.features = new Set(Object.keys(greeting.capabilities ?? {}));
    // From here on this side takes what it declared.
    connection.lines.limit = connection.ours.maxLineBytes;
    this.about = greeting.plugin;
    this.provides = greeting.provides;
    this.#greeted = true;
  }

  #startFailure(fault: unknown, timeout: number): unknown {
    const evidence = this.#evidence("start");
    if (fault instanceof RemoteError) {
      const kinds: Record<number, Kind> = {
        [UNSUPPORTED_PROTOCOL]: "version_mismatch",
        [INVALID_CONFIG]: "invalid_config",
        [DECLINED]: "declined",
      };
      const told =
        fault.data === undefined ? "" : `: ${JSON.stringify(fault.data)}`;
      return new Failure(
        kinds[fault.code] ?? "handshake_invalid",
        `${fault.message}${told}`,
        evidence,
        { cause: fault },
      );
    }
    if (fault instanceof Failure && fault.kind === "timeout") {
      return new Failure(
        "handshake_timeout",
        `no answer to rpc.initialize within ${timeout} ms`,
        evidence,
      );
    }
    return fault;
  }

  #role(): Role {
    return {
      lifecycle: (method) =>
        !this.#greeted && !method.startsWith("rpc.")
          ? wireError(NOT_INITIALIZED)
          : undefined,
      requests: new Map(),
      log: (log) => this.#options.onLog?.(log),
      stray: (line) => {
        this.#stray ??= quote(line);
        this.#strays += 1;
        // The first ten are always told, then powers of two.
        if (this.#strays <= 10 || Number.isInteger(Math.log2(this.#strays))) {
          this.#options.onStray?.(quote(line));
        }
      },
      broken: (failure) => {
        this.#fail(
          new Failure(failure.kind, failure.message, {
            ...this.#evidence(),
            ...failure.evidence,
          }),
        );
        void this.#end("close");
      },
      unhealthy: (method) => this.#options.onUnhealthy?.(method),
    };
  }

  request(
    contract: Contract<unknown>,
    member: string,
    params: object,
    options?: CallOptions,
  ): Promise<unknown> {
    return this.#connection.call(
      contract,
      member,
      params,
      this.#bounded(options),
    );
  }

  notify(contract: Contract<unknown>, member: string, params: object): void {
    this.#connection.notify(contract, member, params);
  }

  stream(
    contract: Contract<unknown>,
    member: string,
    params: object,
    input: Iterable<unknown> | AsyncIterable<unknown> | undefined,
    options?: CallOptions,
  ): Output<unknown, unknown> {
    return this.#connection.stream(
      contract,
      member,
      params,
      input,
      this.#bounded(options),
    );
  }

  #bounded(options: CallOptions = {}): CallOptions {
    return {
      ...options,
      timeoutMs: options.timeoutMs ?? this.#options.callTimeoutMs ?? 30_000,
    };
  }

  /**
   * A client of one of its contracts, where it provides that in a version that fits and its manifest says the same of
   * each method; otherwise a failure that names what differs.
   */
  async client<C>(type: ClientClass<C>): Promise<C> {
    const { contract } = type;
    const asked = versionOf(contract);
    const provided = this.provides.find(
      (each) => each.contract === contract.name,
    );
    if (provided === undefined) {
      const all = this.provides.map(
        (each) => `${each.contract} ${each.version}`,
      );
      const what = `the plugin does not provide ${contract.name}; it provides ${all.join(", ") || "nothing"}`;
      throw new Failure("unsupported", what, this.#evidence("contract"));
    }
    const fault = isCompatible(asked, provided.version)
      ? misfit(contract, await this.discover())
      : `it provides ${contract.name} ${provided.version}, and ^${asked} is wanted`;
    if (fault !== undefined) {
      const what = `the plugin does not fit ${contract.name} ${asked}: ${fault}`;
      throw new Failure("version_mismatch", what, this.#evidence("contract"));
    }
    return new type(this);
  }

  /** Whether it answers, within this many milliseconds. */
  async ping(timeoutMs = 5000): Promise<void> {
    await this.#connection.ask("rpc.ping", {}, timeoutMs);
  }

  /** The plugin's manifest, an OpenRPC document. */
  async discover(timeoutMs = 30_000): Promise<JsonObject> {
    return (await this.#connection.ask(
      "rpc.discover",
      {},
      timeoutMs,
    )) as JsonObject;
  }

  /** Stops it: asks, closes its input, then ends it. Returns when the process is gone. */
  async stop(graceMs = 5000): Promise<Exit> {
    this.#wanted = true;
    void this.#end("shutdown", graceMs);
    return await this.exited;
  }

  /** Lets go of it: what is pending fails, and it is ended without being asked first. */
  drop(): void {
    this.#wanted = true;
    void this.#end("close");
  }

  /** The steps in order, each bounded, until the process has ended. */
  #end(from: "shutdown" | "close", graceMs = 5000): Promise<void> {
    this.#stopping ??= (async () => {
      if (!this.#reaped) {
        this.#rung = "asked";
      }
      if (from === "shutdown") {
        await this.#connection
          .ask("rpc.shutdown", { graceMs }, graceMs + 500)
          .catch(() => undefined);
      }
      this.#fail(
        new Failure("closed", "the plugin was stopped", this.#evidence()),
      );
      // What a plugin that does not read was sent holds nothing up.
      this.#child.stdin?.destroy();
      if (!(await this.#within(this.#options.closeMs ?? 3000))) {
        this.#rung = "terminated";
        this.#kill("SIGTERM");
        if (!(await this.#within(this.#options.termMs ?? 2000))) {
          this.#rung = "killed";
          this.#kill("SIGKILL");
        }
      }
    })();
    return this.#stopping;
  }

  async #within(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const ended = await Promise.race([this.exited.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.#child.pid !== undefined && !this.#reaped) {
      try {
        process.kill(-this.#child.pid, signal);
      } catch {
        // Nobody of the group is left.
      }
    }
  }

  /** The connection ended: by itself, or because the process did. */
  async #over(kind: "closed" | "plugin_exited", how: string): Promise<void> {
    if (this.#failure) {
      return;
    }
    if (kind === "closed") {
      // A process that ends closes its pipes first: its end says more.
      await this.#within(500);
    }
    this.#fail(new Failure(kind, `the plugin ${how}`, this.#evidence()));
    void this.#end("close");
  }

  #fail(failure: Failure): void {
    this.#failure ??= failure;
    this.#connection.close(this.#failure);
  }

  #how(): string {
    const { exitCode, signalCode } = this.#child;
    return signalCode === null
      ? `exited with ${exitCode}`
      : `was ended by ${signalCode}`;
  }

  #exit(): Exit {
    const { exitCode, signalCode } = this.#child;
    return {
      code: exitCode ?? undefined,
      signal: signalCode ?? undefined,
      rung: this.#rung,
      wanted: this.#wanted,
      stderrTail: this.#stderr,
    };
  }

  #evidence(phase?: string): Evidence {
    const { exitCode, signalCode } = this.#child;
    return {
      command: this.#command.join(" "),
      ...(phase !== undefined && { phase }),
      ...(exitCode !== null && { exitCode }),
      ...(signalCode !== null && { signal: signalCode }),
      ...(this.#stderr !== "" && { stderrTail: this.#stderr.slice(-2000) }),
      ...(this.#stray !== undefined && { stray: this.#stray }),
    };
  }
}

// --- a plugin that serves -------------------------------------------------------------------------------------------

/** What a plugin is given when it is made. */
export interface Start<Config> {
  config: Config;
  /** The host, for what is done outside of any call. */
  host: Caller;
  log(level: Level, message: string, fields?: JsonObject): void;
  /** How the host knows this instance. */
  instance: string | undefined;
}

/** What a plugin is: used by the generated `serve`. */
export interface PluginOptions<Config> {
  name: string;
  version: string;
  document: JsonObject;
  make: (
    start: Start<Config>,
  ) => readonly Implementation[] | Promise<readonly Implementation[]>;
  limits?: Partial<Limits>;
  /** Runs before the process ends in order. */
  onStop?: () => void | Promise<void>;
}

/** The pipes to the host, taken away from everybody else: what is printed from here on goes to standard error. */
function takeWire(): { input: Readable; output: Writable } {
  let wire: { input: Readable; output: Writable };
  try {
    // A pipe can be opened again, under descriptors that no child process inherits. Then 0 and 1, the lowest that are
    // free, become the null device and standard error.
    const [reading, writing] = [
      fs.openSync("/dev/fd/0", "r"),
      fs.openSync("/dev/fd/1", "w"),
    ];
    const input = new net.Socket({
      fd: reading,
      readable: true,
      writable: false,
    });
    const output = new net.Socket({
      fd: writing,
      readable: false,
      writable: true,
    });
    fs.closeSync(0);
    fs.openSync("/dev/null", "r");
    fs.closeSync(1);
    fs.openSync(fs.existsSync("/dev/fd/2") ? "/dev/fd/2" : "/dev/null", "a");
    wire = { input, output };
  } catch {
    // Sockets and files cannot: they stay where they are.
    const { stdout } = process;
    const output = Object.create(stdout, {
      write: { value: stdout.write.bind(stdout) },
    }) as typeof stdout;
    wire = { input: process.stdin, output };
  }
  Object.defineProperty(process, "stdout", {
    configurable: true,
    get: () => process.stderr,
  });
  return wire;
}

/** Makes this process a plugin. It ends the process when the host is done. */
export async function servePlugin<Config>(
  options: PluginOptions<Config>,
): Promise<never> {
  if (tty.isatty(0)) {
    explain(options.name, options.version, options.document);
    process.exit(64);
  }
  const { input, output } = takeWire();
  // A host that is gone is no fault of ours.
  output.on("error", () => process.exit(0));
  const served = new Served(options, output);
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => void served.terminate());
  input.on("data", (chunk: Buffer) => served.connection.lines.feed(chunk));
  input.on("error", () => void served.hangUp());
  input.on("end", () => void served.hangUp());
  return new Promise(() => undefined);
}

function explain(name: string, version: string, document: JsonObject): void {
  const own = isObject(document["x-plugline"]) ? document["x-plugline"] : {};
  const provides = (own["provides"] as { contract: string; version: string }[])
    .map((provided) => `${provided.contract} ${provided.version}`)
    .join(", ");
  process.stderr.write(
    `${name} ${version} is a Plugline plugin. It provides ${provides}.\n` +
      "A host starts it and speaks JSON-RPC over its standard input and output; try\n" +
      `  plugline describe ${process.argv[1] ?? name}\n`,
  );
}

/** The plugin's side of its one connection. */
class Served<Config> {
  readonly connection: Connection;
  readonly #options: PluginOptions<Config>;
  readonly #manifest: JsonObject;
  readonly #output: Writable;
  #state: "new" | "starting" | "ready" | "closing" = "new";
  #ending: Promise<void> | undefined;
  /** Once a shutdown that was asked for is answered. */
  #answered: Promise<void> | undefined;

  constructor(options: PluginOptions<Config>, output: Writable) {
    this.#options = options;
    this.#output = output;
    const info = isObject(options.document["info"])
      ? options.document["info"]
      : {};
    this.#manifest = {
      ...options.document,
      info: { ...info, title: options.name, version: options.version },
    };
    this.connection = new Connection(
      "plugin",
      { ...DEFAULTS, ...options.limits },
      this.#role(),
      output,
    );
  }

  #role(): Role {
    return {
      lifecycle: (method) => {
        if (this.#state === "closing" && method !== "rpc.ping") {
          return wireError(SHUTTING_DOWN);
        }
        if (this.#state !== "new" && method === "rpc.initialize") {
          return wireError(INVALID_REQUEST);
        }
        const early = [
          "rpc.initialize",
          "rpc.discover",
          "rpc.ping",
          "rpc.shutdown",
        ].includes(method);
        return this.#state !== "ready" && !early
          ? wireError(NOT_INITIALIZED)
          : undefined;
      },
      requests: new Map([
        ["rpc.discover", (id) => this.connection.answer(id, this.#manifest)],
        ["rpc.initialize", (id, params) => this.#shakeHands(id, params)],
        ["rpc.shutdown", (id, params) => this.#shutDown(id, params)],
      ]),
      log: () => undefined,
      stray: () => undefined,
      broken: ({ kind, message }) => {
        warn(`the connection ends: ${kind}: ${message}`);
        process.exit(0);
      },
      unhealthy: () => undefined,
    };
  }

  #shutDown(id: Id, params: JsonObject): void {
    const { graceMs = 5000 } = params;
    if (!isWhole(graceMs)) {
      throw wireError(INVALID_PARAMS, {
        errors: [{ path: "/graceMs", message: "must be an integer from 0" }],
      });
    }
    this.#answered = this.#drain(graceMs).then(() =>
      this.connection.answer(id, null),
    );
  }

  #shakeHands(id: Id, params: JsonObject): void {
    this.#state = "starting";
    void this.#initialize(params).then(
      (result) => {
        this.connection.answer(id, result);
        this.connection.theirs.maxLineBytes = this.#hostLine;
        this.#state = this.#state === "starting" ? "ready" : this.#state;
      },
      (fault: unknown) => {
        this.#state = this.#state === "starting" ? "new" : this.#state;
        this.connection.answer(id, this.#refusal(fault));
      },
    );
  }

  #hostLine = LINE_BEFORE_HANDSHAKE;

  #refusal(fault: unknown): RemoteError {
    if (fault instanceof RemoteError) {
      return fault;
    }
    if (fault instanceof InvalidConfig) {
      return wireError(INVALID_CONFIG, { errors: fault.errors });
    }
    if (fault instanceof Declined) {
      return wireError(DECLINED, { reason: fault.reason });
    }
    warn(`the plugin cannot start: ${shown(fault)}`);
    return wireError(INTERNAL_ERROR);
  }

  async #initialize(params: JsonObject): Promise<unknown> {
    const { faults } = new Reader({}).take(INITIALIZE, params);
    if (faults.length > 0) {
      throw wireError(INVALID_PARAMS, { errors: faults });
    }
    if (!(params["protocolVersions"] as number[]).includes(1)) {
      throw wireError(UNSUPPORTED_PROTOCOL, { supported: [1] });
    }
    const own = isObject(this.#manifest["x-plugline"])
      ? this.#manifest["x-plugline"]
      : {};
    const { config: given = {} } = params;
    const { made: config, faults: errors } = new Reader(this.#manifest).take(
      (own["config"] ?? true) as Schema,
      given,
    );
    if (errors.length > 0) {
      throw wireError(INVALID_CONFIG, { errors });
    }
    const limits = {
      ...DEFAULTS,
      ...((params["limits"] ?? {}) as Partial<Limits>),
    };
    const capabilities = (params["capabilities"] ?? {}) as {
      callbacks?: { methods?: string[] };
    };
    const { connection } = this;
    connection.features = new Set(Object.keys(capabilities));
    connection.hostMethods = new Set(capabilities.callbacks?.methods ?? []);
    const made = await this.#options.make({
      config: config as Config,
      host: {
        request: (contract, member, given, options) =>
          connection.call(contract, member, given, options ?? {}),
        notify: (contract, member, given) =>
          connection.notify(contract, member, given),
        stream: (contract, member, given, items, options) =>
          connection.stream(contract, member, given, items, options ?? {}),
      },
      log: (level, message, fields) =>
        connection.log({ level, message, ...(fields && { fields }) }),
      instance: params["instance"] as string | undefined,
    });
    connection.served.clear();
    connection.serve(made);
    this.#hostLine = limits.maxLineBytes;
    connection.theirs = { ...limits, maxLineBytes: LINE_BEFORE_HANDSHAKE };
    connection.lines.limit = connection.ours.maxLineBytes;
    return {
      protocolVersion: 1,
      plugin: { name: this.#options.name, version: this.#options.version },
      provides: own["provides"],
      limits: connection.ours,
      capabilities: {
        cancel: {},
        progress: {},
        log: {},
        streams: {},
        callbacks: {},
      },
    };
  }

  /** Lets what is in flight end, then cancels it, then answers in its stead. */
  async #drain(graceMs: number): Promise<void> {
    this.#state = "closing";
    await this.connection.settled(graceMs);
    this.connection.cancelServed();
    await this.connection.settled(250);
    this.connection.abandonServed();
  }

  /** The host is gone, or done. */
  async hangUp(): Promise<void> {
    this.connection.close(new Failure("closed", "the host is gone"));
    await this.#exit(1500);
  }

  /** SIGTERM: as a shutdown. */
  async terminate(): Promise<void> {
    await this.#exit(1500);
  }

  #exit(graceMs: number): Promise<void> {
    this.#ending ??= (async () => {
      setTimeout(() => process.exit(0), graceMs + 450);
      await this.#drain(graceMs);
      await this.#answered;
      try {
        await this.#options.onStop?.();
      } catch (fault) {
        warn(shown(fault));
      }
      // What is written goes out first.
      this.#output.write("", () => process.exit(0));
    })();
    return this.#ending;
  }
}

const NAMED = {
  type: "object",
  properties: { name: { type: "string" }, version: { type: "string" } },
  required: ["name", "version"],
};
const LIMIT = (minimum: number): JsonObject => ({ type: "integer", minimum });
const LIMITS = {
  type: "object",
  properties: Object.fromEntries(
    Object.entries(MINIMA).map(([name, least]) => [name, LIMIT(least)]),
  ),
};
const INITIALIZE: Schema = {
  type: "object",
  required: ["protocolVersions"],
  properties: {
    protocolVersions: { type: "array", items: { type: "integer" } },
    host: NAMED,
    instance: { type: "string" },
    limits: LIMITS,
    capabilities: {
      type: "object",
      properties: {
        progress: { type: "object" },
        log: { type: "object" },
        streams: { type: "object" },
        callbacks: {
          type: "object",
          properties: { methods: { type: "array", items: { type: "string" } } },
        },
      },
    },
  },
};

/** The answer to `rpc.initialize`. */
interface Greeting {
  protocolVersion: number;
  plugin: { name: string; version: string };
  provides: Provided[];
  limits?: Partial<Limits>;
  capabilities?: JsonObject;
}
const GREETING: Schema = {
  type: "object",
  required: ["protocolVersion", "plugin", "provides"],
  properties: {
    protocolVersion: { type: "integer" },
    plugin: NAMED,
    provides: {
      type: "array",
      items: {
        type: "object",
        required: ["contract", "version"],
        properties: {
          contract: { type: "string" },
          version: { type: "string" },
        },
      },
    },
    limits: LIMITS,
    capabilities: {
      type: "object",
      properties: Object.fromEntries(
        ["cancel", "progress", "log", "streams", "callbacks"].map((name) => [
          name,
          { type: "object" },
        ]),
      ),
    },
  },
};
