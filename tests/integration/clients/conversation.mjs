// Several official TypeScript clients at once on one server; prints what each of them got, as JSON.
//
// Usage: conversation.mjs GENERATION URL FRONT COUNT TOPIC      GENERATION: sdk | client   FRONT: http | sse
// TOPIC: calls | asks. The same conversation as in conversation.py.

const CALLS = 10;
const STEPS = 5;
const [generation, url, front, count, topic] = process.argv.slice(2);

const parts = await {
  async sdk() {
    const base = "@modelcontextprotocol/sdk";
    return {
      ...(await import(`${base}/client/index.js`)),
      ...(await import(`${base}/client/streamableHttp.js`)),
      ...(await import(`${base}/client/sse.js`)),
      types: await import(`${base}/types.js`),
    };
  },
  client: () => import("@modelcontextprotocol/client"),
}[generation]();

/** The name of a server's request, as this generation wants it. */
function request(method, schema) {
  return parts.types ? parts.types[schema] : method;
}

/** A client whose answers have its name in them. */
async function connected(name) {
  const capabilities = { sampling: {}, elicitation: {}, roots: {} };
  const negotiation = parts.types ? {} : { versionNegotiation: { mode: "auto" } };
  const client = new parts.Client({ name, version: "1" }, { capabilities, ...negotiation });
  client.setRequestHandler(request("sampling/createMessage", "CreateMessageRequestSchema"), async () => ({
    role: "assistant",
    content: { type: "text", text: name },
    model: "test",
  }));
  client.setRequestHandler(request("elicitation/create", "ElicitRequestSchema"), async () => ({
    action: "accept",
    content: { who: name },
  }));
  client.setRequestHandler(request("roots/list", "ListRootsRequestSchema"), async () => ({
    roots: [{ uri: `file:///${name}` }],
  }));
  const Transport = front === "sse" ? parts.SSEClientTransport : parts.StreamableHTTPClientTransport;
  await client.connect(new Transport(new URL(url)), { timeout: 20_000 });
  return client;
}

function call(client, tool, args, options) {
  const params = { name: tool, arguments: args };
  return parts.types ? client.callTool(params, undefined, options) : client.callTool(params, options);
}

const topics = {
  async calls(client, name) {
    const answers = [];
    for (let number = 0; number < CALLS; number++) {
      answers.push((await call(client, "echo", { text: `${name} ${number}` })).content[0].text);
    }
    const progress = [];
    const onprogress = (told) => progress.push(told.message);
    // Over SSE this SDK forgets a call when it reads its answer, and hears the notifications of the same read later.
    const pause = front === "sse" ? 0.2 : 0;
    await call(client, "progress", { steps: STEPS, text: name, pause }, { onprogress });
    return { answers, progress };
  },
  async asks(client) {
    const message = { role: "user", content: { type: "text", text: "who are you?" } };
    const kinds = {
      "sampling/createMessage": { messages: [message], maxTokens: 10 },
      "elicitation/create": {
        message: "who are you?",
        requestedSchema: { type: "object", properties: { who: { type: "string" } } },
      },
      "roots/list": {},
    };
    const asked = {};
    for (const [method, params] of Object.entries(kinds)) {
      const result = await call(client, "ask", { method, params }, { timeout: 20_000 });
      asked[method] = JSON.parse(result.content[0].text).result;
    }
    return { asked };
  },
};

async function oneClient(name) {
  try {
    const client = await connected(name);
    const got = await topics[topic](client, name);
    await client.close();
    return { name, ...got };
  } catch (error) {
    return { name, error: String(error) };
  }
}

const names = Array.from({ length: Number(count) }, (_, number) => `client-${number}`);
console.log(JSON.stringify(await Promise.all(names.map(oneClient))));
process.exit(0);
