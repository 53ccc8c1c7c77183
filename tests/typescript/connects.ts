/** Looks whether a plugin has the rich contract, and prints what differs: `node connects.js COMMAND…`. */
import { CatalogClient } from "./catalog.js";
import { Failure, Plugin } from "./runtime.js";

const plugin = await Plugin.start(process.argv.slice(2));
try {
  await plugin.client(CatalogClient);
  console.log("it fits");
} catch (fault) {
  if (!(fault instanceof Failure)) {
    throw fault;
  }
  console.log(`${fault.kind}: ${fault.message}`);
}
await plugin.stop();
