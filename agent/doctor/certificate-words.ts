// What a relay's certificate, or what stands in its place, means for the agent, in words.
import type { SeenCertificate, TlsSight } from "#agent/uplink/way-probe.ts";
import type { Checks } from "./checks.ts";

const DAY_MS = 86_400_000;
/** Before that an expiry is not worth a word: most authorities renew later. */
const EXPIRES_SOON_MS = 14 * DAY_MS;

/** OpenSSL's verdicts that mean "signed by nobody I trust". */
const UNKNOWN_AUTHORITY = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);
/** In the name of an issuer: products that open TLS on its way. */
const INSPECTORS =
  /zscaler|fortinet|fortigate|palo ?alto|blue ?coat|netskope|sophos|umbrella|mcafee|skyhigh|forcepoint|websense|check ?point|kaspersky|\beset\b|avast|bitdefender|squid|sonicwall|watchguard|barracuda|cato networks|iboss|untangle|inspect|proxy|firewall|gateway/i;

export function certificateCheck(checks: Checks, sight: TlsSight, host: string, nowMs: number): void {
  const [leaf] = sight.chain;
  const chain = chainLines(sight.chain);
  if (leaf === undefined) checks.failed("certificate", `${host} shows no certificate`);
  else if (sight.problem === undefined) goodCertificate(checks, sight, leaf, nowMs);
  else if (UNKNOWN_AUTHORITY.has(sight.problem))
    checks.failed("certificate", foreignText(sight, leaf, host), [...foreignAdvice(sight, leaf), ...chain]);
  else checks.failed("certificate", ...problemWords(sight.problem, leaf, host, nowMs, chain));
}

function goodCertificate(
  checks: Checks,
  { authority, chain }: TlsSight,
  leaf: SeenCertificate,
  nowMs: number,
): void {
  const top = chain.at(-1)?.issuer ?? leaf.issuer;
  const whose =
    authority === "given" ? `an authority of relay.ca_file (${top})` : `a public authority (${top})`;
  const text = `certificate of ${leaf.subject}, valid to ${dayOf(leaf.toMs)}, by ${whose}`;
  const notes =
    authority === "given"
      ? [
          "This is the relay's own authority, or a proxy that opens TLS: it sees sizes and times; frames are sealed inside.",
        ]
      : [];
  const leftMs = leaf.toMs - nowMs;
  if (leftMs > EXPIRES_SOON_MS) checks.ok("certificate", text, notes);
  else
    checks.warning("certificate", `${text}: only ${Math.max(0, Math.floor(leftMs / DAY_MS))} days more`, [
      "Whoever runs the relay (or the proxy) should renew it in time: the agent does not connect with one that has run out.",
      ...notes,
    ]);
}

function foreignText({ problem, chain }: TlsSight, leaf: SeenCertificate, host: string): string {
  if (problem === "DEPTH_ZERO_SELF_SIGNED_CERT" && chain.length === 1)
    return `${host} shows a certificate that it signed itself (${leaf.subject}); the agent trusts no such one`;
  return `${host} shows a certificate of ${leaf.subject} by ${chain.at(-1)?.issuer ?? leaf.issuer}: no public authority, and none of relay.ca_file`;
}

function foreignAdvice({ authority, chain }: TlsSight, leaf: SeenCertificate): readonly string[] {
  const names = chain.map(({ issuer }) => issuer).join("; ");
  const isInspector = INSPECTORS.test(names);
  return [
    isInspector
      ? `By its name this is a proxy that opens TLS (${leaf.issuer}). That harms nothing: frames are sealed between agent and relay, the proxy sees sizes and times.`
      : "Either the relay has an authority of its own, or a proxy on the way opens TLS. The latter harms nothing: frames are sealed between agent and relay.",
    "Get that authority's certificate as a PEM file from whoever runs it, compare its fingerprint, and name the file in relay.ca_file.",
    ...(authority === "system"
      ? ["This machine's own store trusts it already: it can be exported from there."]
      : []),
  ];
}

function problemWords(
  problem: string,
  leaf: SeenCertificate,
  host: string,
  nowMs: number,
  chain: readonly string[],
): [text: string, more: readonly string[]] {
  if (problem === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = leaf.names === "" ? leaf.subject : leaf.names;
    return [
      `the certificate is not for ${host}, but for ${names}`,
      ["Use a name that is in the certificate in relay.url, and let the network resolve it.", ...chain],
    ];
  }
  if (problem === "CERT_HAS_EXPIRED" || leaf.toMs < nowMs)
    return [
      `the certificate of ${leaf.subject} ran out on ${dayOf(leaf.toMs)}; this machine says it is ${dayOf(nowMs)}`,
      [
        "Have it renewed at the relay (or the proxy); if the day is wrong, set this machine's clock.",
        ...chain,
      ],
    ];
  if (problem === "CERT_NOT_YET_VALID")
    return [
      `the certificate of ${leaf.subject} is valid only from ${dayOf(leaf.fromMs)} on; this machine says it is ${dayOf(nowMs)}`,
      ["Mostly this machine's clock is wrong: set it.", ...chain],
    ];
  return [`the certificate of ${leaf.subject} is refused: ${problem}`, chain];
}

function chainLines(chain: readonly SeenCertificate[]): readonly string[] {
  return chain.map(
    ({ subject, issuer, toMs, fingerprint }) =>
      `seen: ${subject}, issued by ${issuer}, to ${dayOf(toMs)}, SHA-256 ${fingerprint}`,
  );
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
