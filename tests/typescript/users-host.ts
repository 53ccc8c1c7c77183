/** Looks somebody up: `node users-host.js PLUGIN…`. */
import { NotFound, UsersClient } from "./users.js";
import { Plugin } from "./runtime.js";

const plugin = await Plugin.start(process.argv.slice(2));
const users = await plugin.client(UsersClient);
const user = await users.getUserByClaim({ claim: "mail", value: "einstein@cern.ch" });
const groups = await users.getUserGroups({ id: user.id });
console.log(`${user.display_name}: ${groups.join(", ")}`);
try {
  await users.getUser({ id: { opaque_id: "nobody", idp: "nowhere" } });
} catch (fault) {
  if (!(fault instanceof NotFound)) {
    throw fault;
  }
  console.log(fault.message);
}
await plugin.stop();
