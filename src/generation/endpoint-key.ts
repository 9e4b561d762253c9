import { BlockList, isIP } from "node:net";

/** An API key: where it may be sent, and how it stays out of what is shown and stored. */
export interface EndpointKey {
  /** What is sent; "none" where there is no key, since local servers want some. */
  readonly value: string;
  /** A message without the key. */
  hide(text: string): string;
  /** Whether text of the server's holds the key. Keys of less than 16 characters are words that a model may write by itself, such as vLLM's "EMPTY". */
  standsIn(text: string): boolean;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/**
 * The key for an address, once both can be used together.
 *
 * @param apiKey undefined or empty: none
 * @param insecure whether the key may be sent over plain http to any address, rather than to this machine alone
 * @throws Error with a line that holds neither the key nor what the address has beside host and path
 */
export function endpointKey(url: string, apiKey: string | undefined, insecure = false): EndpointKey {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address?.protocol !== "http:" && address?.protocol !== "https:") {
    throw new Error("the endpoint is no address that begins with http:// or https://");
  }
  const place = `${address.origin}${address.pathname}`;
  if (address.username || address.password)
    throw new Error(`${place}: the address holds a user or a password: give a key in OPENAI_API_KEY`);
  if (/[?#]/.test(url)) throw new Error(`${place}: the address must end with its path, such as /v1, without ? or #`);
  const key = apiKey?.trim() ?? "";
  if (!/^[\x21-\x7e]*$/.test(key)) throw new Error(`${place}: the API key holds a character that no HTTP header can hold`);
  if (key !== "" && address.protocol === "http:" && !isLoopback(address.hostname) && !insecure) {
    const remedy = "use https, give no key (OPENAI_API_KEY), or allow it with --insecure-key (insecureKey)";
    throw new Error(`${place}: the API key would be sent over plain http, which others can read: ${remedy}`);
  }
  return {
    value: key || "none",
    hide: (text) => (key === "" ? text : text.replaceAll(key, "[API key]")),
    standsIn: (text) => key.length >= 16 && text.includes(key),
  };
}

/** @param hostname as in a parsed URL, which writes an IPv6 address in brackets */
function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const version = isIP(host);
  return host === "localhost" || (version !== 0 && loopback.check(host, version === 6 ? "ipv6" : "ipv4"));
}
