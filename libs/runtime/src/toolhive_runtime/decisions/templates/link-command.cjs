// Makes /app/server the package's command, chosen by npx's rules: the only one, or else the one with the package's name.
const fs = require("fs");
const name = process.argv[2];
const short = name.split("/").pop();
const manifest = JSON.parse(fs.readFileSync(`/app/node_modules/${name}/package.json`, "utf8"));
const commands = typeof manifest.bin === "string" ? { [short]: manifest.bin } : manifest.bin || {};
const names = Object.keys(commands);
const chosen = new Set(Object.values(commands)).size === 1 ? names[0] : names.find((command) => command === short);
if (chosen === undefined) {
  console.error(`toolhive: the package ${name} has no command called ${short}; it has: ${names.join(" ") || "none"}`);
  process.exit(1);
}
fs.symlinkSync(`/app/node_modules/.bin/${chosen}`, "/app/server");
