// What a test chooses about the server: its database, its age, its encryption, its Windows accounts.
import type { ServedDatabase } from "#test/support/sql-engine/session.ts";
import type { WindowsAccount } from "./ntlm.ts";
import type { EncryptionPolicy } from "./prelogin.ts";
import type { TDS_VERSION } from "./tokens.ts";
import type { TlsOptions } from "./transport.ts";

export interface TdsServerOptions {
  readonly database: ServedDatabase;
  /** Default: 0, any free one. */
  readonly port?: number;
  /** Without it the server cannot encrypt. A client that begins with TLS (strict, TDS 8.0) is always welcome to it. */
  readonly tls?: TlsOptions;
  /** Default: `off` with `tls`, which leaves it to the client; `not_supported` without. */
  readonly encryption?: EncryptionPolicy;
  /** Default: 16, which is SQL Server 2022; 10 is 2008 and 2008 R2. */
  readonly majorVersion?: number;
  /** Default: 7.4. 2008 R2 speaks 7.3. */
  readonly maxTdsVersion?: Exclude<keyof typeof TDS_VERSION, "7.1" | "8.0">;
  /** The server's own. Default: SQL_Latin1_General_CP1_CI_AS. */
  readonly collation?: string;
  /** Of logins that name none. Default: none is told to the database, and master to the client. */
  readonly defaultDatabase?: string;
  /** Where logins with read-only intent are sent, as a listener of an availability group does. */
  readonly readOnlyRoute?: { readonly server: string; readonly port: number };
  /** Who may log in by NTLM. The database gets `DOMAIN\user` and the password from here. */
  readonly windowsAccounts?: readonly WindowsAccount[];
}
