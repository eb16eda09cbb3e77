// Identity keys and one-time codes: their texts, and what is said about texts that are not theirs.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createEnrollmentCode,
  fitsFingerprint,
  formatEnrollmentCode,
  hashEnrollmentSecret,
  parseEnrollmentCode,
} from "#common/contract/enrollment-code.ts";
import {
  fingerprintOf,
  generateIdentityKey,
  isPublicKey,
  loadIdentityKey,
  verifySignature,
} from "#common/contract/identity-key.ts";

describe("identity keys", () => {
  it("agree with RFC 8032, 7.1, test 2", () => {
    const secret = Buffer.from("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "hex");
    const key = loadIdentityKey(secret.toString("base64url"));
    expect(Buffer.from(key.publicKey, "base64url").toString("hex")).toBe(
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    );
    expect(Buffer.from(key.sign(Buffer.of(0x72))).toString("hex")).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
  });

  it("come back from their text, and verify only their own signatures", () => {
    const key = generateIdentityKey();
    const again = loadIdentityKey(`${key.exportSecret()}\n`);
    expect(again.publicKey).toBe(key.publicKey);
    const data = Buffer.from("data");
    const signature = again.sign(data);
    expect(verifySignature(key.publicKey, data, signature)).toBe(true);
    expect(verifySignature(generateIdentityKey().publicKey, data, signature)).toBe(false);
    expect(verifySignature(key.publicKey, Buffer.from("date"), signature)).toBe(false);
    expect(verifySignature(key.publicKey, data, signature.subarray(1))).toBe(false);
    expect(verifySignature("not a key", data, signature)).toBe(false);
  });

  it("have one spelling, and say what to do about a damaged file", () => {
    const { publicKey } = generateIdentityKey();
    expect(isPublicKey(publicKey)).toBe(true);
    expect(isPublicKey(`${publicKey}=`)).toBe(false);
    const spellings = ["A", "B", "C", "D"].filter((last) => isPublicKey(`${publicKey.slice(0, 42)}${last}`));
    expect(spellings.length).toBeLessThanOrEqual(1);
    expect(() => loadIdentityKey("short")).toThrow(/found 5 characters; restore the key file/);
  });
});

describe("enrolment codes", () => {
  const { publicKey } = generateIdentityKey();

  it("survive being written down, whatever their bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const code = createEnrollmentCode(publicKey, () => bytes);
        const text = formatEnrollmentCode(code);
        expect(text).toMatch(/^mre_[0-9A-HJKMNP-TV-Z]{26}_[A-Za-z0-9_-]{43}$/);
        expect(parseEnrollmentCode(text)).toEqual(code);
        const typed = `  ${text.slice(0, 30).toLowerCase().replaceAll("1", "l").replaceAll("0", "o")}${text.slice(30)}\n`;
        expect(parseEnrollmentCode(typed)).toEqual(code);
      }),
    );
  });

  it("have the secret that Crockford's base32 gives", () => {
    const secretOf = (fill: number): string =>
      createEnrollmentCode(publicKey, () => Buffer.alloc(16, fill)).secret;
    expect(secretOf(0)).toBe("0".repeat(26));
    expect(secretOf(255)).toBe(`7${"Z".repeat(25)}`);
  });

  it("name the relay by its fingerprint", () => {
    const { fingerprint } = createEnrollmentCode(publicKey, () => Buffer.alloc(16));
    expect(fingerprint).toBe(fingerprintOf(publicKey));
    expect(fitsFingerprint(publicKey, fingerprint)).toBe(true);
    expect(fitsFingerprint(generateIdentityKey().publicKey, fingerprint)).toBe(false);
  });

  it("are stored as a hash of the secret's canonical spelling", () => {
    expect(hashEnrollmentSecret("0".repeat(26))).toMatch(/^[0-9a-f]{64}$/);
  });

  it("that are damaged are refused with what is wrong", () => {
    const text = formatEnrollmentCode(createEnrollmentCode(publicKey, () => Buffer.alloc(16, 1)));
    expect(() => parseEnrollmentCode("hello")).toThrow(/begins with "mre_"/);
    expect(() => parseEnrollmentCode(text.slice(0, -1))).toThrow(/expected 74 characters, found 73/);
    expect(() => parseEnrollmentCode(`mre_U${text.slice(5)}`)).toThrow(/a character that no code has/);
    expect(() => parseEnrollmentCode(`mre_8${text.slice(5)}`)).toThrow(/a character that no code has/);
    expect(() => parseEnrollmentCode(`${text.slice(0, 30)}-${text.slice(31)}`)).toThrow(/not a fingerprint/);
    expect(() => parseEnrollmentCode(`${text.slice(0, -1)}+`)).toThrow(/not a fingerprint/);
  });
});
