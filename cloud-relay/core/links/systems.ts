// The systems that a connection link can be for: by the name of their pack, how their part of agent.yaml begins.

type Connector = "sql-server" | "oracle" | "opc-ua" | "sqlite";

interface SystemGuide {
  readonly title: string;
  readonly connector: Connector;
  /** Absent for sources that need no pack. */
  readonly pack?: string;
  /** Lines of agent.yaml beside `settings`. */
  readonly more?: readonly string[];
  /** Said above the fragment. */
  readonly hint?: string;
}

/** Names are those of agent/packs, and `opc-ua`. */
const GUIDES: Readonly<Record<string, SystemGuide>> = {
  maximo: { title: "IBM Maximo", connector: "oracle", pack: "maximo", hint: either("sql-server") },
  "sap-ecc": {
    title: "SAP ECC",
    connector: "oracle",
    pack: "sap-ecc",
    more: ['    pack_settings: { client: "100" }'],
    hint: either("sql-server"),
  },
  "sap-business-one": { title: "SAP Business One", connector: "sql-server", pack: "sap-business-one" },
  "business-central": {
    title: "Microsoft Dynamics 365 Business Central and NAV",
    connector: "sql-server",
    pack: "business-central",
  },
  "dynamics-ax": { title: "Microsoft Dynamics AX", connector: "sql-server", pack: "dynamics-ax" },
  epicor: { title: "Epicor ERP and Kinetic", connector: "sql-server", pack: "epicor" },
  "infor-eam": { title: "Infor EAM", connector: "oracle", pack: "infor-eam", hint: either("sql-server") },
  "jd-edwards": {
    title: "Oracle JD Edwards EnterpriseOne",
    connector: "oracle",
    pack: "jd-edwards",
    hint: either("sql-server"),
  },
  "oracle-ebs": { title: "Oracle E-Business Suite", connector: "oracle", pack: "oracle-ebs" },
  "demo-cmms": { title: "The demo plant", connector: "sqlite", pack: "demo-cmms" },
  "opc-ua": { title: "An OPC UA server", connector: "opc-ua" },
};

export const SYSTEM_NAMES: readonly string[] = Object.keys(GUIDES);

const SETTINGS: Readonly<Record<Connector, readonly string[]>> = {
  "sql-server": [
    "      server: erp-db.example.com        # the database server's name",
    "      database: ERP",
    "      user: millrace_reader             # a login that may read only",
    '      password: "{file:/etc/millrace-agent/source-password}"',
  ],
  oracle: [
    "      host: erp-db.example.com          # the database server's name",
    "      service_name: ERPPROD",
    "      user: MILLRACE_READER             # a user that may read only",
    '      password: "{file:/etc/millrace-agent/source-password}"',
  ],
  "opc-ua": [
    "      endpoint: opc.tcp://plc-1.example.com:4840",
    "      # Its certificate's fingerprint: with 64 zeros the agent refuses the server and says which it has.",
    `      server_fingerprint: "${"0".repeat(64)}"`,
    "      discover:",
    '        include: ["*"]                  # which points; millrace-agent discover lists them',
  ],
  sqlite: ["      file: /var/lib/workshop/workshop.db"],
};

export interface AgentFragment {
  readonly title: string;
  /** YAML for agent.yaml. */
  readonly text: string;
  readonly hint: string | undefined;
}

/** For a connection of this name. An unknown system gets one that says what is to be chosen. */
export function agentFragment(system: string | undefined, connectionName: string): AgentFragment {
  const guide = GUIDES[system ?? ""] ?? {
    title: "your system",
    connector: "sql-server" as const,
    pack: "maximo",
    hint: `Choose the connector and the pack of your system: ${SYSTEM_NAMES.join(", ")}.`,
  };
  const { title, connector, pack, more = [], hint } = guide;
  const lines = [
    "connections:",
    `  - name: ${connectionName}`,
    `    connector: ${connector}`,
    ...(pack === undefined ? [] : [`    pack: ${pack}`]),
    ...more,
    "    time_zone: Europe/Berlin            # the source's",
    "    settings:",
    ...SETTINGS[connector],
  ];
  return { title, text: lines.join("\n"), hint };
}

function either(other: Connector): string {
  return `If its database is not Oracle, use connector: ${other} with server and database.`;
}
