// The certificate store that node-opcua asks: it knows only what the operator has pinned and learns nothing.
import type { ICertificateStore, StatusCode } from "node-opcua";
import type { ConnectorError } from "#common/runtime/errors.ts";
import { opcua } from "./driver.ts";

type Certificates = Buffer | Buffer[];

export class TrustStore implements ICertificateStore {
  referenceCounter = 0;
  readonly #check: (chainDer: Uint8Array) => void;
  #refusal: ConnectorError | undefined;

  /** `check` throws a ConnectorError for a server that is not trusted. */
  constructor(check: (chainDer: Uint8Array) => void) {
    this.#check = check;
  }

  /** Why the server was refused: says more than the driver's own error. */
  get refusal(): ConnectorError | undefined {
    return this.#refusal;
  }

  checkCertificate(certificate: Certificates): Promise<StatusCode> {
    const chain = Array.isArray(certificate) ? Buffer.concat(certificate) : certificate;
    try {
      this.#check(chain);
      return Promise.resolve(opcua.StatusCodes.Good);
    } catch (error) {
      this.#refusal = error as ConnectorError;
      return Promise.resolve(opcua.StatusCodes.BadCertificateUntrusted);
    }
  }

  /** Asked about our own certificate only, for a warning. */
  verifyCertificate(): Promise<string> {
    return Promise.resolve("Good");
  }
  getTrustStatus(certificate: Buffer): Promise<StatusCode> {
    return this.checkCertificate(certificate);
  }

  initialize(): Promise<void> {
    return Promise.resolve();
  }
  dispose(): Promise<void> {
    return Promise.resolve();
  }
  trustCertificate(): Promise<void> {
    return Promise.resolve();
  }
  rejectCertificate(): Promise<void> {
    return Promise.resolve();
  }
  addIssuer(): Promise<void> {
    return Promise.resolve();
  }
  addRevocationList(): Promise<void> {
    return Promise.resolve();
  }
}
