// The address of the relay's endpoint for agents, from what people write.

/** Where relays listen for agents. */
const AGENT_PATH = "/agent";

/**
 * `wss://relay.example.com` (or https://) becomes `wss://relay.example.com/agent`; a path of one's own, for relays behind
 * a path prefix, is kept. Unencrypted `ws://` is accepted only for this machine, unless it is allowed expressly.
 */
export function relayUrl(
  text: string,
  allowInsecure: boolean,
): { readonly ok: true; readonly url: string } | { readonly ok: false; readonly message: string } {
  const parsed = URL.parse(text.trim());
  const scheme = parsed?.protocol.replace("http", "ws");
  if (parsed === null || (scheme !== "wss:" && scheme !== "ws:"))
    return { ok: false, message: `expected an address such as wss://relay.example.com, not "${text}"` };
  if (parsed.username !== "" || parsed.password !== "")
    return {
      ok: false,
      message: "the address must not hold a user or password: the agent signs in with its own key",
    };
  if (scheme === "ws:" && !allowInsecure && !isLoopback(parsed.hostname))
    return {
      ok: false,
      message: `${scheme}// to ${parsed.hostname} is not encrypted by TLS; use wss://, or set relay.allow_insecure (enroll: --allow-insecure)`,
    };
  const path = parsed.pathname.replace(/\/+$/, "");
  return { ok: true, url: `${scheme}//${parsed.host}${path === "" ? AGENT_PATH : path}` };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
