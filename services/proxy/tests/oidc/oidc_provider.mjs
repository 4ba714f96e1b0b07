// oidc-provider with one client; prints its address. Tokens for a resource are JWTs, all others are opaque.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

console.info = console.error; // its notices; the standard output is for answers
const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://127.0.0.1:${server.address().port}`;
const algorithm = process.argv[2] ?? "RS256";
const [kind, options] = {
  RS256: ["rsa", { modulusLength: 2048 }],
  PS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519", {}],
}[algorithm];
const key = generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" });
const provider = new Provider(issuer, {
  clients: [
    { client_id: "caller", client_secret: "a-secret-of-the-test", grant_types: ["client_credentials"], redirect_uris: [], response_types: [] },
  ],
  scopes: ["mcp:tools"],
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: "mcp:tools",
        audience: resource,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: algorithm } },
      }),
    },
  },
  jwks: { keys: [{ ...key, kid: "only", alg: algorithm, use: "sig" }] },
  enabledJWA: { idTokenSigningAlgValues: [algorithm] },
  clientDefaults: { id_token_signed_response_alg: algorithm },
  ttl: { ClientCredentials: 600 },
});
server.on("request", provider.callback());

const opaque = {};
const commands = {
  opaque: async ({ account }) => {
    const client = await provider.Client.find("caller");
    const grant = new provider.Grant({ clientId: "caller", accountId: account });
    grant.addOIDCScope("openid");
    const token = new provider.AccessToken({
      client, accountId: account, grantId: await grant.save(), scope: "openid", gty: "authorization_code", aud: "mcp",
    });
    const value = await token.save();
    opaque[value] = token;
    return value;
  },
  revoke: ({ value }) => opaque[value].destroy(),
};

const say = (value) => process.stdout.write(JSON.stringify(value ?? null) + "\n");
say(issuer);
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  say(await commands[command](rest));
}
process.exit(0);
