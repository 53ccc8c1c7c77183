// Whether documents are OpenRPC in the eyes of a validator that no one here wrote.
//
//   node check.mjs FILE… -- COMMAND…
//
// FILEs are documents. Each COMMAND is a plugin, words as a shell would split them; what it answers to rpc.discover is
// checked, and that it is word for word the same document that it answers a second time.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { validateOpenRPCDocument } from "@open-rpc/schema-utils-js";

let faults = 0;

function check(name, document) {
  const told = validateOpenRPCDocument(document);
  if (told !== true) {
    faults += 1;
    console.error(`${name}: ${told.message}`);
  }
  // A validator that accepts everything would accept this too.
  const spoiled = structuredClone(document);
  delete spoiled.methods[0].params;
  if (validateOpenRPCDocument(spoiled) === true) {
    faults += 1;
    console.error(`${name}: a method without params is accepted: the validator does not look`);
  }
}

async function discover(command) {
  const plugin = spawn("sh", ["-c", `exec ${command}`], { stdio: ["pipe", "pipe", "inherit"] });
  const patience = setTimeout(() => plugin.kill("SIGKILL"), 30_000);
  const ended = new Promise((resolve, reject) => {
    plugin.on("error", reject);
    plugin.on("close", resolve);
  });
  const ask = (id) => `${JSON.stringify({ jsonrpc: "2.0", id, method: "rpc.discover" })}\n`;
  plugin.stdin.end(ask(0) + ask(1));
  const answers = [];
  for await (const line of createInterface({ input: plugin.stdout })) {
    const answer = JSON.parse(line);
    if (answer.error) throw new Error(`${command}: ${answer.error.message}`);
    answers.push(answer.result);
  }
  await ended;
  clearTimeout(patience);
  if (answers.length !== 2) throw new Error(`${command}: ${answers.length} answers to two requests`);
  if (!isDeepStrictEqual(answers[0], answers[1])) throw new Error(`${command}: the second answer differs`);
  return answers[0];
}

const words = process.argv.slice(2);
const split = words.indexOf("--");
const files = split < 0 ? words : words.slice(0, split);
const commands = split < 0 ? [] : words.slice(split + 1);
for (const file of files) check(file, JSON.parse(readFileSync(file, "utf8")));
for (const command of commands) check(command, await discover(command));
const count = files.length + commands.length;
if (faults > 0) {
  console.error(`${faults} faults in ${count} documents`);
  process.exit(1);
}
console.log(`${count} documents are OpenRPC`);
