/** The contract with every keyword of JSON Schema, served in TypeScript. */
import { serve } from "./keywords.js";

await serve({
  name: "keywords-typescript",
  version: "0.1.0",
  make: () => ({ keywords: { echo: ({ one }) => one } }),
});
