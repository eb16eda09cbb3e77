// How the catalogues spell types, and what they say of their sizes.
import type { DbType } from "./session.ts";

/** SQL Server's name: `nvarchar`, `timestamp`. */
export function sqlTypeName(type: DbType): string {
  switch (type.kind) {
    case "int":
      return { 8: "tinyint", 16: "smallint", 32: "int", 64: "bigint" }[type.bits];
    case "float":
      return type.bits === 32 ? "real" : "float";
    case "money":
      return type.bits === 32 ? "smallmoney" : "money";
    case "rowversion":
      return "timestamp";
    default:
      return type.kind;
  }
}

export interface TypeSizes {
  readonly maxLength: number;
  readonly precision: number;
  readonly scale: number;
}

/** Bytes, precision and scale as in sys.columns. */
export function sqlTypeSizes(type: DbType): TypeSizes {
  const plain = (maxLength: number, precision = 0, scale = 0): TypeSizes => ({ maxLength, precision, scale });
  switch (type.kind) {
    case "int":
      return plain(type.bits / 8, { 8: 3, 16: 5, 32: 10, 64: 19 }[type.bits]);
    case "float":
      return type.bits === 32 ? plain(4, 24) : plain(8, 53);
    case "money":
      return type.bits === 32 ? plain(4, 10, 4) : plain(8, 19, 4);
    case "decimal": {
      const { precision, scale } = type;
      return plain(precision <= 9 ? 5 : precision <= 19 ? 9 : precision <= 28 ? 13 : 17, precision, scale);
    }
    case "bit":
      return plain(1, 1);
    case "date":
      return plain(3, 10);
    case "datetime":
      return plain(8, 23, 3);
    case "smalldatetime":
      return plain(4, 16);
    case "time":
      return plain(
        type.scale <= 2 ? 3 : type.scale <= 4 ? 4 : 5,
        type.scale === 0 ? 8 : 9 + type.scale,
        type.scale,
      );
    case "datetime2":
      return plain(
        type.scale <= 2 ? 6 : type.scale <= 4 ? 7 : 8,
        type.scale === 0 ? 19 : 20 + type.scale,
        type.scale,
      );
    case "datetimeoffset":
      return plain(
        type.scale <= 2 ? 8 : type.scale <= 4 ? 9 : 10,
        type.scale === 0 ? 26 : 27 + type.scale,
        type.scale,
      );
    case "nchar":
    case "nvarchar":
      return plain(type.length === "max" ? -1 : type.length * 2);
    case "char":
    case "varchar":
    case "binary":
    case "varbinary":
      return plain(type.length === "max" ? -1 : type.length);
    case "rowversion":
      return plain(8);
    case "uniqueidentifier":
      return plain(16);
    case "sql_variant":
      return plain(8016);
    default:
      return plain(-1);
  }
}

/** As in ALL_TAB_COLUMNS: `TIMESTAMP(6) WITH TIME ZONE`, `VARCHAR2`. */
export function oracleTypeName(type: DbType): string {
  switch (type.kind) {
    case "varchar":
      return "VARCHAR2";
    case "nvarchar":
      return "NVARCHAR2";
    case "char":
    case "nchar":
    case "clob":
    case "nclob":
    case "blob":
    case "long":
    case "rowid":
    case "raw":
    case "number":
      return type.kind.toUpperCase();
    case "long_raw":
      return "LONG RAW";
    case "oracle_date":
      return "DATE";
    case "timestamp": {
      const zone = { none: "", offset: " WITH TIME ZONE", local: " WITH LOCAL TIME ZONE" }[type.zone];
      return `TIMESTAMP(${type.scale})${zone}`;
    }
    case "float":
      return type.bits === 32 ? "BINARY_FLOAT" : "BINARY_DOUBLE";
    default:
      return type.kind.toUpperCase();
  }
}
