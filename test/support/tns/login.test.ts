// How the real thin driver gets in, and everything that keeps it out.
import oracledb from "oracledb";
import { describe, expect, it } from "vitest";
import { CertificateAuthority } from "../certificates.ts";
import { DatabaseError } from "../sql-engine/session.ts";
import { rowsOf } from "./scripted-database.ts";
import { failureOf, startTns } from "./tns-fixture.ts";

describe("logging in", () => {
  it("works with the verifiers of 11g and 12c, with any password", async () => {
    const users = { plain: "a", long: "p".repeat(30), other: "Ünïcode & 漢字", sixteen: "0123456789abcdef" };
    const { database, server, connect } = await startTns({ users });
    for (const verifier of ["11g", "12c"] as const) {
      server.faults.verifier = verifier;
      for (const [user, password] of Object.entries(users)) {
        const connection = await connect({ user, password });
        expect(connection.isHealthy()).toBe(true);
        expect(database.logins.at(-1)).toMatchObject({ user: user.toUpperCase(), password });
      }
    }
  });

  it("works by SID, by descriptor, and with a long one", async () => {
    const { server, connect } = await startTns({ sid: "ORCL" });
    const address = `(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT=${server.port}))`;
    for (const target of [
      "(SID=orcl)",
      "(SERVICE_NAME=PLANT.example)",
      `(SERVICE_NAME=plant.example)(X=${"y".repeat(400)})`,
    ]) {
      const connection = await connect({ connectString: `(DESCRIPTION=${address}(CONNECT_DATA=${target}))` });
      expect(connection.isHealthy()).toBe(true);
    }
  });

  it("tells program, driver and zone, and acts for another user through a proxy", async () => {
    const { database, server, connect } = await startTns();
    await connect({ program: "millrace", driverName: "millrace : 1" });
    expect(server.connections[0]?.client).toMatchObject({ program: "millrace", driver: "millrace : 1" });
    expect(server.connections[0]?.client?.timeZone).toMatch(/^[+-]\d\d:\d+$/);
    await connect({ user: "reader[maximo]" });
    expect(database.logins.map(({ user, applicationName }) => [user, applicationName])).toEqual([
      ["READER", "millrace"],
      ["MAXIMO", expect.any(String)],
    ]);
  });

  it("goes through TLS, to a certificate that the wallet knows", async () => {
    const authority = new CertificateAuthority();
    const client = authority.issue({ commonName: "client" });
    const { database, server, connect } = await startTns({
      tls: authority.issue({ commonName: "plant.example" }),
    });
    database.on(/^SELECT/, () => rowsOf({ N: { kind: "number" } }, [["1"]]));
    expect(server.connectString).toMatch(/^tcps:/);
    const walletContent = client.privateKeyPem + client.certificatePem + authority.certificatePem;
    const connection = await connect({ walletContent });
    expect((await connection.execute("SELECT N FROM T")).rows).toEqual([[1]]);
    const failure = await failureOf(connect());
    expect(failure.message).toMatch(/NJS-506.*(?:certificate|self)/s);
  });
});

describe("being kept out", () => {
  const cases: readonly (readonly [what: string, number: number, text: string])[] = [
    ["locked", 28_000, "the account is locked"],
    ["expired", 28_001, "the password has expired"],
    ["without the right to log in", 1_045, "user READER lacks CREATE SESSION privilege; logon denied"],
    ["starting", 1_033, "ORACLE initialization or shutdown in progress"],
  ];

  it("by a wrong password or an unknown user, which look the same", async () => {
    const { server, connect } = await startTns();
    for (const verifier of ["11g", "12c"] as const) {
      server.faults.verifier = verifier;
      for (const wrong of [{ password: "wrong" }, { user: "nobody" }])
        expect(await failureOf(connect(wrong))).toMatchObject({ errorNum: 1017, code: "ORA-01017" });
    }
    await expect.poll(() => server.connections).toEqual([]);
  });

  for (const [what, number, text] of cases)
    it(`by an account or a database that is ${what}`, async () => {
      const { server, connect } = await startTns();
      server.faults.loginError = { number, text };
      const failure = await failureOf(connect());
      expect(failure.errorNum).toBe(number);
      expect(failure.message).toContain(text);
      server.faults.clear();
      expect((await connect()).isHealthy()).toBe(true);
    });

  it("by the database behind, with its own error", async () => {
    const { database, connect } = await startTns();
    database.logIn = () => {
      throw new DatabaseError(28_001, "the password has expired");
    };
    expect(await failureOf(connect())).toMatchObject({ errorNum: 28_001 });
  });

  it("not by a password that will expire soon, which is a warning", async () => {
    const { server, connect } = await startTns();
    server.faults.loginWarning = { number: 28_002, text: "the password will expire within 7 days" };
    const connection = await connect();
    expect(connection.warning?.message).toContain("ORA-28002");
  });

  it("by a listener that does not know the service or the SID, or refuses for another reason", async () => {
    const { server, connect } = await startTns();
    const elsewhere = `127.0.0.1:${server.port}/other`;
    expect((await failureOf(connect({ connectString: elsewhere }))).message).toMatch(/^NJS-518:.*other/);
    const bySid = `(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT=${server.port}))(CONNECT_DATA=(SID=NONE)))`;
    expect((await failureOf(connect({ connectString: bySid }))).message).toMatch(/^NJS-519:.*NONE/);
    server.faults.refuseWith = 12_514;
    expect((await failureOf(connect())).message).toMatch(/^NJS-518/);
    server.faults.refuseWith = 12_528;
    expect((await failureOf(connect())).message).toMatch(/^NJS-511:.*ORA-12528/s);
  });

  it("by nobody listening", async () => {
    const { server, connect } = await startTns();
    await server.close();
    expect((await failureOf(connect())).message).toMatch(/^NJS-503/);
  });

  it("by a 10g verifier, by 11g, and by native network encryption, which thin clients do not speak", async () => {
    const { server, connect } = await startTns();
    server.faults.verifier = "10g";
    expect((await failureOf(connect())).message).toMatch(/^NJS-116:.*0x939/);
    server.faults.clear();
    server.faults.protocolVersion = 314;
    expect((await failureOf(connect())).message).toMatch(/^NJS-138/);
    server.faults.clear();
    server.faults.nativeEncryption = "negotiated";
    expect((await failureOf(connect())).message).toMatch(/^NJS-533:.*ORA-12660/s);
    server.faults.nativeEncryption = "dropped";
    expect((await failureOf(connect())).message).toMatch(/^NJS-500/);
    server.faults.clear();
    expect((await connect()).isHealthy()).toBe(true);
  });

  it("by a pool whose password is wrong: the pool says so at its first connection", async () => {
    const { pool } = await startTns();
    const connections = await pool({ password: "wrong", poolMin: 0, queueTimeout: 5_000 });
    expect((await failureOf(connections.getConnection())).message).toContain("ORA-01017");
    expect(oracledb.thin).toBe(true);
  });
});
