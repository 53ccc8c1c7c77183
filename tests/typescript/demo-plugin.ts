/** The contract that the transcripts of SPEC.md speak of, served in TypeScript. */
import { DemoHostClient, Planned, serve, type Demo } from "./demo.js";
import { Declined, Failure } from "./runtime.js";

const notes: string[] = [];

const demo: Demo = {
  add: ({ a, b }) => a + b,
  sleep: ({ ms }, call) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      call.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new Failure("cancelled", "nobody waits"));
      });
    }),
  fail: ({ reason }) => {
    throw new Planned({ reason });
  },
  log: ({ level, message }, call) => call.log(level, message),
  steps: ({ n }, call) => {
    for (let step = 1; step <= n; step += 1) {
      call.progress(step, n);
    }
  },
  callback: ({ question }, call) => new DemoHostClient(call).ask({ question }),
  ping: () => {
    throw new Error("a handler has no way to ping");
  },
  *count({ n }) {
    for (let number = 0; number < n; number += 1) {
      yield number;
    }
  },
  *fill({ lines, width }) {
    for (let line = 0; line < lines; line += 1) {
      yield "x".repeat(width);
    }
  },
  sum: async (input) => {
    let sum = 0;
    for await (const number of input) {
      sum += number;
    }
    return sum;
  },
  async *double(input) {
    for await (const number of input) {
      yield 2 * number;
    }
  },
  note: ({ text }) => {
    notes.push(text);
  },
  notes: () => notes,
};

await serve({
  name: "demo",
  version: "1.0.0",
  limits: { maxLineBytes: 65536, maxInFlight: 2, maxDepth: 2, streamWindowBytes: 65536 },
  make: ({ config }) => {
    if (config.refuse !== undefined) {
      throw new Declined(config.refuse);
    }
    return { demo };
  },
});
