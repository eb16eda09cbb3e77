// The demo agent's configuration file, written once and explained; later starts only correct its addresses.
import { PLANT_ZONE } from "./plant/vocabulary.ts";

/** The demo's one machine that takes orders. */
const PRESS = "nsu=urn:demo-plant:machines;s=Line1.Press";

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
    # Whoever is named in the demo is made up: without this, names leave the plant as pseudonyms.
    release_personal: true
    # Columns and fields that must not leave the plant.
    hide: [COMPANIES.TAXREGISTRATION, vendor.tax_id]
    # How often to ask for changes, and how often to compare all keys: that finds what was deleted.
    poll: { default: 1s, vendor: 5s }
    reconcile: 30s
    # What the relay may ask for; whatever is not named here is refused. See docs/commands.md.
    allow:
      live_reads: true
      browse: true
      sync: true
      writes:
        # apply: done at once. hold: waits until somebody here says  npm run agent -- approve <id> --config <this file>
        # windows: at once in these hours, else waits for them. refuse: never, and the reason is told.
        work_order:
          create: hold
          update: apply
          change_status: apply
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
      # More of them are told to come later: whatever goes wrong out there, it does not flood the database.
      writes_per_minute: 120
      # Statements of this file, called by their names; callers give the parameters, and never see the statement.
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
      # Nothing of a machine can be written but what stands here, one by one, and never beyond its limits.
      write:
        allow: true
        points:
          # A range is a must for numbers. max_step: how far one write may move it.
          - { node: "${PRESS}.SpeedSetpoint", min: 0, max: 1500, max_step: 300 }
        methods:
          # Called as an action of a point, here of the counter alone; inputs in the method's own order.
          - name: reset_counter
            object: ${PRESS}
            method: ${PRESS}.ResetCounter
            points: ["${PRESS}.Count"]
            inputs: [{ name: reason, type: String, values: [new batch, maintenance] }]
    allow:
      live_reads: true
      sync: true
      # And who decides: here as for the database. While agent or server are away, nothing is kept for later.
      writes:
        telemetry_point: { update: apply, reset_counter: hold }
      writes_per_minute: 30
`;
}

/** The same file with the addresses of this start; whatever else was edited stays. */
export function pointYaml(text: string, { relayUrl, opcuaUrl, opcuaFingerprint }: PlantAddresses): string {
  return text
    .replace(/^(\s*url: )ws:\/\/127\.0\.0\.1:\d+$/m, `$1${relayUrl}`)
    .replace(/^(\s*endpoint: )opc\.tcp:\/\/127\.0\.0\.1:\d+$/m, `$1${opcuaUrl}`)
    .replace(/^(\s*server_fingerprint: )[0-9a-f]{64}$/m, `$1${opcuaFingerprint}`);
}
