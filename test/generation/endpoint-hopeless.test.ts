import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Endpoint, sampleRemote } from "../../src/generation/remote.js";

/** Asks a server that sends these bytes to whoever asks, in pieces: how often it was asked, and what is told. */
async function ask(reply: (write: (text: string) => void, end: () => void) => void, more: Partial<Endpoint> = {}) {
  let asked = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      asked++;
      reply(
        (text) => socket.write(text),
        () => socket.end(),
      );
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const folder = mkdtempSync(join(tmpdir(), "erpo-endpoint-"));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const options = { maxNewTokens: 8, temperature: 0, seed: 0, cache: join(folder, "received") };
  try {
    await sampleRemote({ url, model: "m", retries: 2, ...more }, ["a"], options).next();
    return { asked, told: "no failure" };
  } catch (error) {
    return { asked, told: (error as Error).message.replace(url, "URL") };
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

test.each([
  ["a switch of protocols", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "bad upgrade"],
  ["a status of no HTTP", "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", "it answers with the status 999, which HTTP does not have"],
  ["another protocol", "SSH-2.0-OpenSSH_9\r\n", "Response does not match the HTTP/1.1 protocol (Expected HTTP/)"],
  ["100 kB of headers", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(100_000)}\r\n\r\n`, "Headers Overflow Error"],
])("%s is not asked for again", async (_, text, told) => {
  const reply = (write: (text: string) => void, end: () => void) => {
    write(text);
    setTimeout(end, 50);
  };
  expect(await ask(reply)).toEqual({ asked: 1, told: `URL: prompt 1: ${told}` });
});

test("a connection that is lost within an answer is asked for again", async () => {
  const reply = (write: (text: string) => void, end: () => void) => {
    write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    setTimeout(end, 50);
  };
  expect((await ask(reply)).asked).toBe(3);
});

test("a server that drips is asked once more behind its deadline", async () => {
  const reply = (write: (text: string) => void) => {
    write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    const drip = setInterval(() => write(" "), 50);
    setTimeout(() => clearInterval(drip), 2000);
  };
  expect(await ask(reply, { deadline: 0.3, retries: 6 })).toEqual({
    asked: 2,
    told: "URL: prompt 1: no whole answer within 0.3 s, when asked again neither",
  });
});
