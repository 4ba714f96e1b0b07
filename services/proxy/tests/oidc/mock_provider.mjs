// oauth2-mock-server behind a switch: a test says over stdin what it shall do, one JSON object a line.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import oauth from "oauth2-mock-server";

const { OAuth2Server } = oauth;
let issuer, service;
let down = false;
const asked = {};

async function renew(alg) {
  const url = issuer?.url;
  ({ issuer, service } = new OAuth2Server());
  issuer.url = url;
  await issuer.keys.generate(alg);
}

await renew("RS256");
const server = createServer((request, response) => {
  asked[request.url] = (asked[request.url] ?? 0) + 1;
  if (down) return request.socket.destroy();
  service.requestHandler(request, response);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
issuer.url = `http://127.0.0.1:${server.address().port}`;

const commands = {
  token: ({ header = {}, payload = {}, expiresIn = 600 }) =>
    issuer.buildToken({
      expiresIn,
      scopesOrTransform: (head, claims) => {
        Object.assign(claims, { sub: "ada", aud: "mcp" }, payload);
        Object.assign(head, header);
        for (const part of [head, claims]) for (const key in part) if (part[key] === null) delete part[key];
      },
    }),
  rotate: async ({ alg = "RS256" }) => void (await renew(alg)),
  down: ({ value }) => void (down = value),
  asked: () => asked,
  keys: () => issuer.keys.toJSON(),
};

const say = (value) => process.stdout.write(JSON.stringify(value ?? null) + "\n");
say(issuer.url);
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  say(await commands[command](rest));
}
process.exit(0);
