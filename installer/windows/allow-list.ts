// Rules by which AppLocker lets the agent's programs run, and nothing that was put in their place.
import { createHash } from "node:crypto";
import { stableGuid } from "./stable-guid.ts";

export interface AllowedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Where a PE file's optional header has these; of the 64-bit kind (PE format, "Optional Header"). */
const CHECKSUM_AT = 64;
const CERTIFICATES_AT = 144;
const DIRECTORY_BYTES = 8;
const PE_SIGNATURE = 0x00004550;
const PE32_PLUS = 0x20b;

/**
 * SHA-256 in hex as Authenticode takes it: without the checksum, the place of the signature and the signature, so that signing
 * a file does not change it (Windows Authenticode Portable Executable Signature Format, "Calculating the PE Image Hash").
 * @throws TypeError if it is no 64-bit PE file
 */
export function authenticodeHash(bytes: Buffer): string {
  const pe = bytes.length > 64 ? bytes.readUInt32LE(60) : bytes.length;
  const header = pe + 24;
  const isPe = header + 240 <= bytes.length && bytes.readUInt32LE(pe) === PE_SIGNATURE;
  if (!isPe || bytes.readUInt16LE(header) !== PE32_PLUS) throw new TypeError("no 64-bit program for Windows");
  const checksum = header + CHECKSUM_AT;
  const certificates = header + CERTIFICATES_AT;
  const table = bytes.readUInt32LE(certificates);
  const end = table === 0 ? bytes.length : table;
  return createHash("sha256")
    .update(bytes.subarray(0, checksum))
    .update(bytes.subarray(checksum + 4, certificates))
    .update(bytes.subarray(certificates + DIRECTORY_BYTES, end))
    .digest("hex");
}

/** A policy that only adds: programs and libraries by hash, for everybody (who may read them, the folder's rights say). */
export function appLockerPolicy(version: string, files: readonly AllowedFile[]): string {
  const collection = (type: "Exe" | "Dll", wanted: (name: string) => boolean): string => {
    const rules = files.filter(({ name }) => wanted(name)).map((file) => rule(version, type, file));
    return `  <RuleCollection Type="${type}" EnforcementMode="NotConfigured">\n${rules.join("")}  </RuleCollection>\n`;
  };
  const isProgram = (name: string): boolean => name.endsWith(".exe");
  return `<AppLockerPolicy Version="1">\n${collection("Exe", isProgram)}${collection("Dll", (name) => !isProgram(name))}</AppLockerPolicy>\n`;
}

function rule(version: string, type: string, { name, bytes }: AllowedFile): string {
  const id = stableGuid(`applocker/${version}/${name}`).slice(1, -1).toLowerCase();
  const hash = `0x${authenticodeHash(bytes).toUpperCase()}`;
  return `    <FileHashRule Id="${id}" Name="Millrace Agent ${version}: ${name}" Description="${type} of the Millrace Agent" UserOrGroupSid="S-1-1-0" Action="Allow">
      <Conditions>
        <FileHashCondition>
          <FileHash Type="SHA256" Data="${hash}" SourceFileName="${name}" SourceFileLength="${bytes.length}"/>
        </FileHashCondition>
      </Conditions>
    </FileHashRule>
`;
}
