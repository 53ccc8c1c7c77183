/** The rich contract, served in TypeScript. */
import { AuditClient, BusyNow, Conflict, NotFound, serve, type Catalog } from "./catalog.js";
import { Declined, Failure, type Call } from "./runtime.js";

const notes: string[] = [];

const catalog: Catalog = {
  echo: ({ everything }) => everything,
  fail: ({ how }) => {
    switch (how) {
      case "not_found":
        throw new NotFound();
      case "conflict":
        throw new Conflict({ revision: 7, by: { name: "Ada" } });
      case "busy":
        throw new BusyNow(3);
      default:
        throw new Error("as it was told");
    }
  },
  find: ({ id, limit, after }) => {
    if (id === "nobody") {
      throw new NotFound();
    }
    return [id, `limit=${limit ?? "none"}`, `after=${after === undefined ? "absent" : after}`];
  },
  async *count({ n }) {
    for (let number = 0; number < n; number += 1) {
      yield number;
    }
  },
  sum: async (input) => {
    let sum = 0;
    for await (const number of input) {
      sum += number;
    }
    return sum;
  },
  async *convert({ factor }, input) {
    let count = 0;
    for await (const number of input) {
      count += 1;
      yield number * factor;
    }
    return { count };
  },
  *blobs({ sizes }) {
    for (const size of sizes) {
      yield new Uint8Array(size).fill(size % 256);
    }
  },
  wait: async ({ ms }, call) => {
    call.progress(0, ms, "begun");
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      call.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new Failure("cancelled", "waited long enough"));
      });
    });
    call.log("info", "waited", { ms });
    return true;
  },
  note: ({ text }) => {
    notes.push(text);
  },
  notes: () => notes,
  relay: async ({ question }, call: Call) => {
    const audit = new AuditClient(call);
    audit.told({ what: `asking ${question}` });
    return audit.ask({ question });
  },
  print: ({ text }) => {
    console.log(text);
    process.stdout.write(text);
    return null;
  },
  type: (params) =>
    `${params.class} ${params["max-items"] ?? "-"} ${params.self ?? "-"} ${params.return ?? "-"}`,
};

await serve({
  name: "catalog-typescript",
  version: "0.1.0",
  make: ({ config }) => {
    if (config.refuse !== undefined) {
      throw new Declined(config.refuse);
    }
    return { catalog };
  },
});
