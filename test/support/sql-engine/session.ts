// The seam between our own TDS and TNS servers and the in-memory database behind them.

/**
 * Exact values. 64-bit integers are bigint; decimals, money and NUMBER are plain decimal text; date and time types are ISO text in
 * the type's full precision without zone (`2026-05-04`, `10:00:00.1234567`, `2026-05-04 10:00:00.1234567`), zoned ones with their
 * offset after a blank (`2026-05-04 10:00:00.1234567 +02:00`); uniqueidentifier is upper-case text with dashes; binary is bytes.
 */
export type DbValue = null | boolean | number | bigint | string | Uint8Array;

/** `length` counts characters of character types and bytes of binary ones. */
export type DbType =
  | {
      readonly kind:
        | "bit"
        | "rowversion"
        | "date"
        | "datetime"
        | "smalldatetime"
        | "uniqueidentifier"
        | "xml";
    }
  | { readonly kind: "int"; readonly bits: 8 | 16 | 32 | 64 }
  | { readonly kind: "float"; readonly bits: 32 | 64 }
  | { readonly kind: "money"; readonly bits: 32 | 64 }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly kind: "time" | "datetime2" | "datetimeoffset"; readonly scale: number }
  | {
      readonly kind: "char" | "varchar" | "nchar" | "nvarchar";
      readonly length: number | "max";
      readonly collation?: string;
    }
  | { readonly kind: "binary" | "varbinary"; readonly length: number | "max" }
  | { readonly kind: "sql_variant"; readonly base?: DbType }
  // Oracle's own.
  | { readonly kind: "number"; readonly precision?: number; readonly scale?: number }
  | { readonly kind: "oracle_date" | "clob" | "nclob" | "blob" | "long" | "long_raw" | "rowid" }
  | { readonly kind: "timestamp"; readonly scale: number; readonly zone: "none" | "offset" | "local" }
  | { readonly kind: "raw"; readonly length: number };

export interface ResultColumn {
  readonly name: string;
  readonly type: DbType;
  readonly isNullable: boolean;
}

export interface ResultSet {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly (readonly DbValue[])[];
}

export interface StatementResult {
  /** In order; a statement that gives none (SET, UPDATE, COMMIT) leaves it empty. */
  readonly sets: readonly ResultSet[];
  /** Of the last statement that wrote. */
  readonly rowsAffected: number;
  /** Output parameters of a procedure, by name. */
  readonly outputs?: ReadonlyMap<string, { readonly type: DbType; readonly value: DbValue }>;
  readonly returnStatus?: number;
}

export interface BoundParameter {
  /** Without `@` or `:`; for positional binds `1`, `2`, …. */
  readonly name: string;
  readonly type: DbType;
  readonly value: DbValue;
}

/** What the database answers instead of a result: its own number (208, 1205; ORA-00942 is 942) and text. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  readonly number: number;
  /** SQL Server's severity; 20 and above ends the session. */
  readonly severity: number;

  constructor(number: number, message: string, severity = 16) {
    super(message);
    this.number = number;
    this.severity = severity;
  }
}

/** One logged-in session: has its own transaction and settings. Statements of one session run one after the other. */
export interface DatabaseSession {
  /** A statement or batch as the driver sent it. @throws DatabaseError; a statement that the engine does not know is refused with its text */
  execute(text: string, parameters: readonly BoundParameter[], signal: AbortSignal): Promise<StatementResult>;
  /** A stored procedure by name. @throws DatabaseError */
  call(name: string, parameters: readonly BoundParameter[], signal: AbortSignal): Promise<StatementResult>;
  /** Whether a transaction is open now. Where the engine says so, clients hear of one that statements or errors began or ended. */
  readonly isInTransaction?: boolean;
  /** Rolls back what is open. */
  close(): void;
}

export interface Login {
  readonly user: string;
  readonly password: string;
  /** Database (SQL Server) or service name / SID (Oracle). */
  readonly database: string;
  readonly applicationName: string;
  readonly isReadOnlyIntent: boolean;
}

/** What a protocol server serves. */
export interface ServedDatabase {
  /** @throws DatabaseError 18456, 4060, 1017, 28001 (expired password), … */
  logIn(login: Login): DatabaseSession;
}
