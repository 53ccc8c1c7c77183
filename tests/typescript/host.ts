/** Calls the rich contract, served in whatever language: `node host.js COMMAND…`. */
import assert from "node:assert/strict";
import {
  CatalogClient,
  Conflict,
  BusyNow,
  NotFound,
  Unknown,
  auditContract,
  type Audit,
  type Everything,
} from "./catalog.js";
import { Failure, Plugin, RemoteError, implement, type Progress } from "./runtime.js";

const command = process.argv.slice(2);
const told: string[] = [];
const audit: Audit = {
  ask: ({ question }) => {
    if (question === "nobody knows") {
      throw new Unknown("not even me");
    }
    return `${question}? Because.`;
  },
  told: ({ what }) => {
    told.push(what);
  },
};

async function fails(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (fault) {
    assert(fault instanceof Failure, String(fault));
    return fault;
  }
  return assert.fail("it did not fail");
}

const everything: Everything = {
  entry: {
    id: "a-1",
    title: "Ünïcode \u2028 \u{1f600}",
    size: Number.MAX_SAFE_INTEGER,
    ratio: 0.5,
    status: "2nd edition",
    owner: null,
    tags: ["x"],
    labels: { k: "v", ["__proto__"]: "p" },
    history: [
      { kind: "created", by: { name: "Ada", manager: { name: "Bob" } } },
      { kind: "moved", from: ["a", "b"], to: "c" },
      { kind: "deleted" },
    ],
    created: "2024-02-29T23:59:59.123456Z",
    content: new Uint8Array([0, 1, 2, 255]),
    serial: 2n ** 64n - 1n,
    balance: -(2n ** 127n),
    place: { x: 1.5, y: -2, level: "roof" },
    span: [1, "a"],
    anything: { deep: [1, null] },
  },
  shape: { Group: ["Point", { Circle: { radius: 1 } }, { Polygon: [[0, 1], [2, 3]] }] },
  amounts: [1, "two", { value: 3, unit: "m" }, [4]],
  tree: { a: { b: {} } },
  blobs: { x: new Uint8Array([1]) },
  big: -(10n ** 40n),
  moment: "2024-01-01T00:00:00+02:00",
  words: { type: "t", class: "c", self: "s", "3d": true, "with space": "w", "*/": "x" },
  unnameable: { '"quoted"': "q", "": "e" },
  maybe: [null, { kind: "deleted", reason: "r" }],
  statuses: { a: "in-review" },
  small: 255,
};

const missing = await fails(Plugin.start(["/nowhere/at-all"]));
assert.equal(missing.kind, "spawn_failed");
const declined = await fails(Plugin.start(command, { config: { refuse: "no GPU here" } }));
assert.equal(declined.kind, "declined");
const misconfigured = await fails(Plugin.start(command, { config: { greeting: 7 } }));
assert.equal(misconfigured.kind, "invalid_config");

const logs: string[] = [];
const plugin = await Plugin.start(command, {
  serves: [implement(auditContract, audit)],
  onLog: (log) => logs.push(log.message),
});
const catalog = await plugin.client(CatalogClient);
assert.equal(plugin.provides[0]?.contract, "catalog");
await plugin.ping();

assert.deepEqual(await catalog.echo({ everything }), everything);

const notFound = await fails(catalog.fail({ how: "not_found" }));
assert(notFound instanceof NotFound, String(notFound));
const conflict = await fails(catalog.fail({ how: "conflict" }));
assert(conflict instanceof Conflict);
assert.deepEqual(conflict.data, { revision: 7, by: { name: "Ada" } });
const busy = await fails(catalog.fail({ how: "busy" }));
assert(busy instanceof BusyNow && busy.data === 3);
const panic = await fails(catalog.fail({ how: "panic" }));
assert(panic instanceof RemoteError && panic.code === -32603);

assert.deepEqual(await catalog.find({ id: "abc", limit: 5 }), ["abc", "limit=5", "after=absent"]);

let sum = 0;
for await (const number of catalog.count({ n: 20_000 })) {
  sum += number;
}
assert.equal(sum, (20_000 * 19_999) / 2);
let seen = 0;
for await (const number of catalog.count({ n: 1_000_000 })) {
  seen = number;
  if (seen === 3) {
    break;
  }
}
assert.equal(seen, 3);
await plugin.ping();

const numbers = Array.from({ length: 20_000 }, (_, at) => at);
assert.equal(await catalog.sum(numbers), (20_000 * 19_999) / 2);
const converted: number[] = [];
const conversion = catalog.convert({ factor: 3 }, numbers);
for await (const number of conversion) {
  converted.push(number);
}
assert.deepEqual(converted, numbers.map((number) => 3 * number));
assert.deepEqual(await conversion.result, { count: 20_000 });

const sizes: number[] = [];
for await (const blob of catalog.blobs({ sizes: [0, 3, 100_000, 100_000, 100_000, 100_000, 100_000] })) {
  assert(blob instanceof Uint8Array);
  sizes.push(blob.length);
}
assert.deepEqual(sizes, [0, 3, 100_000, 100_000, 100_000, 100_000, 100_000]);

// Cancelled once it is known to be running.
const stop = new AbortController();
const steps: Progress[] = [];
const waiting = catalog.wait(
  { ms: 600_000 },
  {
    signal: stop.signal,
    onProgress: (step) => {
      steps.push(step);
      stop.abort();
    },
  },
);
assert.equal((await fails(waiting)).kind, "cancelled");
assert.equal(steps[0]?.progress, 0);
assert.equal((await fails(catalog.wait({ ms: 600_000 }, { timeoutMs: 50 }))).kind, "timeout");
assert.equal(await catalog.wait({ ms: 1 }), true);

catalog.note({ text: "first" });
catalog.note({ text: "second" });
assert.deepEqual(await catalog.notes(), ["first", "second"]);

assert.equal(await catalog.relay({ question: "why" }), "why? Because.");
assert.deepEqual(told, ["asking why"]);
const unknown = await fails(catalog.relay({ question: "nobody knows" }));
assert(unknown instanceof RemoteError && unknown.code === 7, String(unknown));

await catalog.print({ text: "printed by a plugin" });
assert.equal(await catalog.type({ class: "a", "max-items": 3, self: "b", return: true }), "a 3 b true");

const many = await Promise.all(numbers.slice(0, 500).map((n) => catalog.find({ id: `id-${n}` })));
assert.equal(many[499]?.[0], "id-499");

await plugin.stop();
assert.equal((await fails(catalog.notes())).kind, "closed");
console.log("ok");
