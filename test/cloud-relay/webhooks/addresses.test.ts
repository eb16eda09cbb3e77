// Which addresses webhooks may reach: every special range is closed, public ones are open, and an operator's own by permission.
import { describe, expect, test } from "vitest";
import { Addresses } from "#relay/webhooks/addresses.ts";

const nothingAllowed = new Addresses({ allowHttp: false, allowNetworks: [] });

/** One or two of every range that is not the public internet. */
const SPECIAL = [
  "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1",
  "127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1",
  "172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1",
  "192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1",
  "239.255.255.250 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:7f00:1",
  "::ffff:10.0.0.1 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a00:1 100::1 2001::1",
  "2001:0:4136:e378::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1",
  "2620:4f:8000::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1",
  "ff02::1 ff0e::1",
].flatMap((line) => line.split(" "));
const PUBLIC = [
  "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0",
  "172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255",
  "2606:4700::1111 2a00:1450:4001::8a ::ffff:1.1.1.1",
].flatMap((line) => line.split(" "));

describe("addresses", () => {
  test.each(SPECIAL)("%s is closed", (address) => {
    expect(nothingAllowed.permits(address, "https:", 443)).toBe(false);
    expect(nothingAllowed.isPublic(address)).toBe(false);
  });

  test.each(PUBLIC)("%s is open by https at the ports of public receivers", (address) => {
    expect(nothingAllowed.permits(address, "https:", 443)).toBe(true);
    expect(nothingAllowed.permits(address, "https:", 8443)).toBe(true);
    expect(nothingAllowed.permits(address, "https:", 22)).toBe(false);
    expect(nothingAllowed.permits(address, "http:", 80)).toBe(false);
    expect(nothingAllowed.isPublic(address)).toBe(true);
  });

  test.each(["", "localhost", "1.2.3", "1.2.3.4.5", "not an address", "[::1]"])("%j is none", (text) => {
    expect(nothingAllowed.permits(text, "https:", 443)).toBe(false);
  });

  test("an allowed network is open at any port, by http only where that is allowed too, and is still not public", () => {
    const networks = ["10.20.0.0/16", "fd12::/16"];
    const https = new Addresses({ allowHttp: false, allowNetworks: networks });
    const both = new Addresses({ allowHttp: true, allowNetworks: networks });
    for (const address of ["10.20.3.4", "::ffff:10.20.3.4", "fd12::1"]) {
      expect(https.permits(address, "https:", 3000)).toBe(true);
      expect(https.permits(address, "http:", 80)).toBe(false);
      expect(both.permits(address, "http:", 3000)).toBe(true);
      expect(both.isPublic(address)).toBe(false);
    }
    expect(both.permits("10.21.0.1", "https:", 443)).toBe(false);
    // Plain http stays inside.
    expect(both.permits("1.1.1.1", "http:", 80)).toBe(false);
  });

  test("no permission opens what serves a machine's own secrets", () => {
    const all = new Addresses({
      allowHttp: true,
      allowNetworks: ["169.254.0.0/16", "fe80::/10", "fd00::/8"],
    });
    for (const address of ["169.254.169.254", "fe80::1", "fd00:ec2::254"])
      expect(all.permits(address, "http:", 80)).toBe(false);
    expect(all.permits("fd00::1", "http:", 80)).toBe(true);
  });

  test.each(["10.0.0.0", "10.0.0.0/33", "fd00::/129", "0.0.0.0/0", "::/0", "plant/8", "10.0.0.0/8/8"])(
    "%s is refused as a network, with its place",
    (network) => {
      expect(() => new Addresses({ allowHttp: false, allowNetworks: ["10.0.0.0/8", network] })).toThrow(
        /webhooks\.allow_networks\[1\]/,
      );
    },
  );
});
