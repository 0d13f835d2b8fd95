#!/usr/bin/env node
// The `sluice` command. Plain old JavaScript, so that any Node can parse it and say what it needs.
// Hands over to the compiled command line where there is one (the published package), else to its source.

var OLDEST = 24;

if (parseInt(process.versions.node, 10) < OLDEST) {
  console.error("sluice needs Node.js %d or newer; this is %s.", OLDEST, process.version);
  process.exit(1);
}

var compiled = require("node:path").join(__dirname, "../dist/cli/main.js");
var entry = require("node:fs").existsSync(compiled) ? compiled : require.resolve("../src/cli/main.ts");

// An `import()` that old parsers do not see. `require` would not do: the entry awaits at its top level.
new Function("url", "return import(url)")(require("node:url").pathToFileURL(entry).href);
