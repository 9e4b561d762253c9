import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

/** What a server of OpenAI's protocol was asked for. */
export interface Call {
  path: string;
  body: Record<string, unknown>;
  headers: IncomingHttpHeaders;
  at: number;
}

/** A server whose answers a test decides; until it does, each test's server answers `echo: PROMPT`. */
export interface EndpointServer {
  url: string;
  calls: Call[];
  answer: (call: Call, response: ServerResponse) => void;
}

/** Starts a server for the tests of a file. */
export function endpointServer(): EndpointServer {
  const told: EndpointServer = { url: "", calls: [], answer: () => {} };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const call = { path: request.url!, body: text ? JSON.parse(text) : {}, headers: request.headers, at: performance.now() };
    told.calls.push(call);
    told.answer(call, response);
  });
  server.maxRequestsPerSocket = 1; // so that no test takes a connection that the end of another has closed
  beforeAll(async () => {
    await once(server.listen(0, "0.0.0.0"), "listening");
    told.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  });
  beforeEach(() => {
    told.calls = [];
    told.answer = (call, response) => json(response, completion(call));
  });
  afterEach(() => server.closeAllConnections());
  afterAll(() => void server.close());
  return told;
}

export const asked = ({ body }: Call) => (body.prompt ?? (body.messages as { content: string }[])[0]!.content) as string;

export const completion = (call: Call, text = `echo: ${asked(call)}`) => ({
  choices: [{ index: 0, finish_reason: "stop", ...(call.path.endsWith("/chat/completions") ? { message: { content: text } } : { text }) }],
});

export function json(response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof value === "string" ? value : JSON.stringify(value));
}
