// Speaks to the plugin as a host does: lines in, lines out.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

/** What a new process answers to these requests, one after another. */
function ask(...requests) {
  const input = requests.map((request, id) => `${JSON.stringify({ jsonrpc: "2.0", id, ...request })}\n`);
  const plugin = spawnSync(process.execPath, ["plugin.mjs"], {
    cwd: new URL(".", import.meta.url),
    input: input.join(""),
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(plugin.status, 0, plugin.stderr);
  const lines = plugin.stdout.trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

function initialize(config) {
  return { method: "rpc.initialize", params: { protocolVersions: [1], config } };
}

test("it greets", () => {
  const [, hello] = ask(initialize({}), { method: "my_plugin.hello", params: { name: "Ada" } });
  assert.equal(hello.result, "Hello, Ada!");
});

test("it greets as its config says", () => {
  const [, hello] = ask(initialize({ greeting: "Moo" }), { method: "my_plugin.hello", params: { name: "Ada" } });
  assert.equal(hello.result, "Moo, Ada!");
});

test("it refuses what it cannot use", () => {
  const [config, , hello] = ask(initialize({ greeting: 5 }), initialize({}), { method: "my_plugin.hello" });
  assert.equal(config.error.code, -32002);
  assert.equal(hello.error.code, -32602);
});
