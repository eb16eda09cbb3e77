// The demo agent's configuration file, written once and explained; later starts only correct its addresses.
import { PLANT_ZONE } from "./plant/vocabulary.ts";

export interface PlantAddresses {
  /** `ws://127.0.0.1:8080` */
  readonly relayUrl: string;
  readonly opcuaUrl: string;
  readonly opcuaFingerprint: string;
  readonly opcuaUser: string;
  readonly opcuaPassword: string;
}

export function agentYaml(plant: PlantAddresses): string {
  return `# The demo agent's configuration. Every setting is explained in docs/configuration.md.
# Try:  npm run agent -- check-config --config <this file>
#       npm run agent -- preview plant-erp purchase_order --config <this file>
#       npm run agent -- status --config <this file>

relay:
  # The one outbound connection. Frames are sealed from end to end; on this machine plain ws:// will do.
  url: ${plant.relayUrl}

# The agent's key, and what is read but not yet delivered.
data_dir: agent

connections:
  # The maintenance system's database. A pack maps its tables to unified records.
  - name: plant-erp
    connector: sqlite
    pack: demo-cmms
    settings:
      file: plant/plant.db
      # The connector may write, and notes each command in a table of the plant's: so it is done once, whatever happens.
      write: { allow: true, command_log: MILLRACE_COMMANDS }
    # The database writes wall-clock times without a zone.
    time_zone: ${PLANT_ZONE}
    # Columns and fields that must not leave the plant.
    hide: [COMPANIES.TAXID, vendor.tax_id]
    # How often to ask for changes, and how often to compare all keys: that finds what was deleted.
    poll: { default: 1s, vendor: 5s }
    reconcile: 30s
    # What the relay may ask for; whatever is not named here is refused. See docs/commands.md.
    allow:
      live_reads: true
      browse: true
      sync: true
      writes:
        work_order:
          create: apply
          update: apply
          change_status: apply
          # Held until somebody here says: npm run agent -- approve <id> --config <this file>
          delete: hold
        purchase_order:
          create: apply
          update: apply
          change_status: hold
        stock_level: { adjust: apply }
        vendor:
          create: hold
          update: { windows: ["06:00-22:00"] }
          delete: { policy: refuse, reason: purchasing disables vendors itself }
      writes_per_minute: 120
      queries:
        open_orders_of_vendor:
          description: Orders of one vendor that are not closed, the newest first
          statement: >-
            SELECT PONUM, STATUS, ORDERDATE, TOTALCOST FROM PO
            WHERE VENDOR = :vendor AND STATUS NOT IN ('CLOSE', 'CAN', 'REVISD') ORDER BY ORDERDATE DESC
          parameters: { vendor: { type: text } }
          max_rows: 200
      settings: [schedules, custom_fields]

  # The machines, over OPC UA: every variable below the Objects folder becomes a telemetry point.
  - name: plant-machines
    connector: opc-ua
    settings:
      endpoint: ${plant.opcuaUrl}
      security: { mode: SignAndEncrypt, policy: Basic256Sha256 }
      # The server's certificate, by its SHA-256: no other server is spoken to.
      server_fingerprint: ${plant.opcuaFingerprint}
      user: { name: ${plant.opcuaUser}, password: ${plant.opcuaPassword} }
      discover: {}
`;
}

/** The same file with the addresses of this start; whatever else was edited stays. */
export function pointYaml(text: string, { relayUrl, opcuaUrl, opcuaFingerprint }: PlantAddresses): string {
  return text
    .replace(/^(\s*url: )ws:\/\/127\.0\.0\.1:\d+$/m, `$1${relayUrl}`)
    .replace(/^(\s*endpoint: )opc\.tcp:\/\/127\.0\.0\.1:\d+$/m, `$1${opcuaUrl}`)
    .replace(/^(\s*server_fingerprint: )[0-9a-f]{64}$/m, `$1${opcuaFingerprint}`);
}
