// Where a webhook may go: which addresses, ports and schemes, by what is special on the internet and what the operator allows.
import { BlockList, isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { ConfigError, type Issue } from "#common/runtime/errors.ts";

export interface AddressRules {
  /** Plain http to the allowed networks; never to others. */
  readonly allowHttp: boolean;
  /** CIDR: networks of the operator's own that webhooks may reach, at any port. */
  readonly allowNetworks: readonly string[];
}

/** Ports of public receivers. Everything else is some other service. */
const PUBLIC_PORTS: ReadonlySet<number> = new Set([443, 8443]);

/**
 * Never a public receiver: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and its successors), and what clouds serve
 * their machines' secrets on.
 */
const SPECIAL: readonly string[] = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carrier-grade NAT; 100.100.100.200 serves metadata
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // a cloud's wire server, on an address that looks public
  "169.254.0.0/16", // link-local; 169.254.169.254 serves metadata
  "172.16.0.0/12", // private
  "192.0.0.0/24", // IETF protocol assignments
  "192.0.2.0/24", // documentation
  "192.31.196.0/24", // AS112
  "192.52.193.0/24", // AMT
  "192.88.99.0/24", // 6to4 relays, retired
  "192.168.0.0/16", // private
  "192.175.48.0/24", // AS112
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved; broadcast
  "2001::/23", // IETF protocol assignments: Teredo, benchmarks, ORCHID
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4: an IPv4 address in disguise
  "2620:4f:8000::/48", // AS112
  "3fff::/20", // documentation
];
/** Of IPv6, only this is given to the public; loopback, NAT64, ULA, link-local, site-local and multicast all lie outside. */
const PUBLIC_IPV6 = "2000::/3";
/** Not even by permission: no receiver lives there, but secrets of the machine do. */
const NEVER: readonly string[] = [
  "0.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/128",
  "fd00:ec2::254/128",
  "fe80::/10",
  "ff00::/8",
];

export class Addresses {
  readonly #allowed: BlockList;
  readonly #hasAllowed: boolean;
  readonly #allowHttp: boolean;
  readonly #special = listOf(SPECIAL);
  readonly #publicIpv6 = listOf([PUBLIC_IPV6]);
  readonly #never = listOf(NEVER);

  /** @throws ConfigError for what is no network */
  constructor({ allowHttp, allowNetworks }: AddressRules) {
    const issues: Issue[] = allowNetworks.flatMap((network, index) => {
      const message = problemOfNetwork(network);
      return message === undefined ? [] : [{ path: `webhooks.allow_networks[${index}]`, message }];
    });
    if (issues.length > 0) throw new ConfigError("the relay's settings", issues);
    this.#allowed = listOf(allowNetworks);
    this.#hasAllowed = allowNetworks.length > 0;
    this.#allowHttp = allowHttp;
  }

  /** Whether webhooks may go to this address by this scheme and port. An address that cannot be read may not. */
  permits(address: string, protocol: string, port: number): boolean {
    const plain = canonical(address);
    if (plain === undefined || holds(this.#never, plain)) return false;
    if (holds(this.#allowed, plain)) return protocol === "https:" || this.#allowHttp;
    return protocol === "https:" && PUBLIC_PORTS.has(port) && this.isPublic(plain);
  }

  /** Whether it lies in a network of the operator's own. */
  isAllowed(address: string): boolean {
    const plain = canonical(address);
    return plain !== undefined && holds(this.#allowed, plain);
  }

  /** Whether it can be shown to anybody: it says nothing about a network of ours. */
  isPublic(address: string): boolean {
    const plain = canonical(address);
    if (plain === undefined || holds(this.#special, plain)) return false;
    return isIP(plain) === 4 || holds(this.#publicIpv6, plain);
  }

  /** What a name may not have whatever it resolves to; undefined: it depends on the address. */
  refusalByForm(protocol: string, port: number): string | undefined {
    const isHttps = protocol === "https:";
    if (!isHttps && !(this.#allowHttp && this.#hasAllowed))
      return "it must begin with https:// (the operator can allow http for networks of their own)";
    if (isHttps && !PUBLIC_PORTS.has(port) && !this.#hasAllowed)
      return `port ${port} is not used for webhooks; use 443 or 8443`;
    return undefined;
  }
}

/** Why a text is no network that may be allowed; undefined: it is one. */
export function problemOfNetwork(network: string): string | undefined {
  const wanted = "a network such as 10.20.0.0/16 or fd12:3456::/32";
  const match = /^([0-9a-fA-F:.]{2,45})\/(\d{1,3})$/.exec(network);
  const version = match?.[1] === undefined ? 0 : isIP(match[1]);
  if (match === null || version === 0) return `${JSON.stringify(network)} is not ${wanted}`;
  const bits = Number(match[2]);
  if (bits > (version === 4 ? 32 : 128)) return `${network}: its prefix is too long; write ${wanted}`;
  if (bits < 7) return `${network} is most of the internet; write ${wanted}`;
  return undefined;
}

/** IPv4 in IPv6's clothes becomes IPv4; zones are cut off. */
function canonical(address: string): string | undefined {
  const [bare = ""] = address.split("%", 1);
  if (isIP(bare) === 0 || !ipaddr.isValid(bare)) return undefined;
  return ipaddr.process(bare).toString();
}

function holds(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits = ""] = network.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
