// What a failing server means: node-opcua's errors and status codes sorted into the runner's kinds.
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";

/** Wrong or refused credentials. */
const UNAUTHORIZED = /BadUserAccessDenied|BadIdentityToken|BadUserSignature|BadLicense|user token policy/i;
/** The two sides do not accept each other's certificates or security settings. */
const CERTIFICATE =
  /BadSecurityChecksFailed|BadCertificate|BadApplicationSignature|BadNoValidCertificates|certificate verification/i;
const ENDPOINT =
  /Cannot find an Endpoint|cannot find endpoint|End point must exist|BadSecurityPolicyRejected|BadSecurityModeRejected/i;

export interface FailureContext {
  readonly endpoint: string;
  /** Where our own certificate lies, for the server's trust list. */
  readonly certificateFile: string | undefined;
}

/** Passes ConnectorErrors on; everything else from the driver becomes one. */
export function asConnectorError(error: unknown, tried: string, context: FailureContext): ConnectorError {
  if (error instanceof ConnectorError) return error;
  // The driver's words for a connection that was refused or never answered.
  const text = messageOf(error).replace("premature disconnection 4", "no connection: refused, or no answer");
  const options = { cause: error };
  const said = `${tried} at ${context.endpoint} failed: ${text}`;
  if (UNAUTHORIZED.test(text)) {
    return new ConnectorError(
      "unauthorized",
      `${said}; check \`user\` in this connection's settings and the server's users`,
      options,
    );
  }
  if (CERTIFICATE.test(text)) {
    const file = context.certificateFile ?? "(none)";
    return new ConnectorError(
      "misconfigured",
      `${said}; the server does not accept this agent's certificate: put ${file} on the server's list of trusted clients`,
      options,
    );
  }
  if (ENDPOINT.test(text)) {
    return new ConnectorError(
      "misconfigured",
      `${said}; set \`security\` to what the server offers`,
      options,
    );
  }
  return new ConnectorError(
    "unavailable",
    `${said}; check that the server runs and can be reached (the agent tries again by itself)`,
    options,
  );
}

/** Whether the session is gone on the server while the connection may be fine. */
export function isSessionLost(error: unknown): boolean {
  return /BadSession(Id)?(Invalid|Closed|NotActivated)|session has been closed|Cannot recreate session/i.test(
    messageOf(error),
  );
}
