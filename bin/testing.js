// The module "sluice/test". Takes the compiled one where there is one (the published package), else its source.

var compiled = require("node:path").join(__dirname, "../dist/testing/test-gateway.js");
var isCompiled = require("node:fs").existsSync(compiled);

exports.createTestGateway = require(
  isCompiled ? compiled : "../src/testing/test-gateway.ts",
).createTestGateway;
