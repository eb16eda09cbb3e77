// Describes the product to wixl: what is installed where, which properties there are, what runs when.
import type { Dirent } from "node:fs";
import { readdirSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { stableGuid } from "./stable-guid.ts";

export interface ProductSource {
  /** As the folder is called, `0.2.0`. */
  readonly version: string;
  /** Three numbers. */
  readonly numericVersion: string;
  /** Paths below the payload's folder. */
  readonly files: readonly string[];
  /** Where those files, and the ones below, are: names beside the source, for wixl takes no others. */
  readonly folder: string;
  readonly host: string;
  readonly actions: string;
  readonly commandFile: string;
  readonly rulesFile: string;
}

export const UPGRADE_CODE = stableGuid("millrace-agent");
const MAKER = "Millrace";
const NAME = "Millrace Agent";
const EVENT_SOURCE = "SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\Millrace Agent";
const SETTINGS_KEY = "SOFTWARE\\Millrace\\Agent";
const DESCRIPTION =
  "Reads this plant's systems and carries every change to its Millrace relay. Connects outwards only.";

/** Their values are shown in no log. `MillraceConfigure` is what the deferred action is told. */
export const HIDDEN_PROPERTIES = ["ENROLLTOKEN", "PROXYURL", "MillraceConfigure"];
/** Reach the part that runs as the system when an administrator is not elevated from the start. */
export const SECURE_PROPERTIES = [
  "SERVERURL",
  "ENROLLTOKENFILE",
  "ENROLLTOKEN",
  "PROXYURL",
  "CAFILE",
  "INSTALLDIR",
  "DATADIR",
  "STARTSERVICE",
  "PURGE",
];

/** Runs from beside the installed host, as the system. */
const HOST_ACTIONS = `
    <CustomAction Id="MillraceStop" FileKey="millracesvc.exe" ExeCommand="stopwait" Execute="deferred" Impersonate="no" Return="ignore"/>
    <CustomAction Id="MillraceKeep" FileKey="millracesvc.exe" ExeCommand="unconfigure" Execute="deferred" Impersonate="no" Return="ignore"/>
    <CustomAction Id="MillracePurge" FileKey="millracesvc.exe" ExeCommand="unconfigure --purge" Execute="deferred" Impersonate="no" Return="ignore"/>
    <CustomAction Id="MillraceUndo" FileKey="millracesvc.exe" ExeCommand="unconfigure" Execute="rollback" Impersonate="no" Return="ignore"/>`;

/** A WiX 3 source. Where wixl cannot say a thing, `table-fixes.ts` does. */
export function productSource(source: ProductSource): string {
  const { files } = source;
  const text = (value: string): string => escapeXml(value);
  return `<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="${stableGuid(`millrace-agent/${source.numericVersion}`)}" Name="${NAME}" Language="1033"
    Version="${source.numericVersion}" Manufacturer="${MAKER}" UpgradeCode="${UPGRADE_CODE}">
    <Package InstallerVersion="500" Compressed="yes" InstallScope="perMachine" Description="${NAME} ${text(source.version)}" Manufacturer="${MAKER}"/>
    <MajorUpgrade DowngradeErrorMessage="A newer version of the Millrace Agent is installed. Its data may not be readable by this older version: remove the newer one first (data is kept), then install this one." />
    <Media Id="1" Cabinet="agent.cab" EmbedCab="yes"/>
    <Property Id="ARPNOMODIFY" Value="1"/>
    <Property Id="STARTSERVICE" Value="1"/>
    <Property Id="MILLRACEVERSION" Value="${text(source.version)}"/>
    <Property Id="MsiHiddenProperties" Value="${HIDDEN_PROPERTIES.join(";")}"/>
    <Property Id="INSTALLDIR"><RegistrySearch Id="FindInstallDir" Root="HKLM" Key="${SETTINGS_KEY}" Name="InstallDir" Type="raw" Win64="yes"/></Property>
    <Property Id="DATADIR"><RegistrySearch Id="FindDataDir" Root="HKLM" Key="${SETTINGS_KEY}" Name="DataDir" Type="raw" Win64="yes"/></Property>
    <Property Id="WINDOWSMAJOR"><RegistrySearch Id="FindWindows" Root="HKLM" Key="SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion" Name="CurrentMajorVersionNumber" Type="raw" Win64="yes"/></Property>
    <Condition Message="The Millrace Agent needs Windows 10, Windows Server 2016 or newer, 64 bit.">Installed OR (VersionNT64 AND WINDOWSMAJOR)</Condition>
    <Binary Id="actions" SourceFile="${text(source.actions)}"/>
    <CustomAction Id="MillraceDataDir" Property="DATADIR" Value="[CommonAppDataFolder]${NAME}"/>
    <CustomAction Id="MillraceForget" Property="MillraceConfigure" Value="{}"/>
    <CustomAction Id="MillracePrepare" BinaryKey="actions" DllEntry="PrepareConfiguration" Execute="immediate" Return="check"/>
    <CustomAction Id="MillraceConfigure" BinaryKey="actions" DllEntry="Configure" Execute="deferred" Impersonate="no" Return="check" HideTarget="yes"/>${HOST_ACTIONS}
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFiles64Folder">
        <Directory Id="INSTALLDIR" Name="${NAME}">
          ${hostComponent(source)}
          <Component Id="command" Guid="${stableGuid("command")}" Win64="yes">
            <File Id="millrace_agent.cmd" Name="millrace-agent.cmd" Source="${text(source.commandFile)}" KeyPath="yes"/>
          </Component>
          <Component Id="rules" Guid="${stableGuid("rules")}" Win64="yes">
            <File Id="applocker.xml" Name="applocker.xml" Source="${text(source.rulesFile)}" KeyPath="yes"/>
          </Component>
          <Directory Id="versions" Name="versions"><Directory Id="version" Name="${text(source.version)}">
${directoryXml(source, "", files)}
          </Directory></Directory>
        </Directory>
      </Directory>
    </Directory>
    <Feature Id="agent" Title="${NAME}" Level="1" Absent="disallow">
      <ComponentRef Id="host"/><ComponentRef Id="command"/><ComponentRef Id="rules"/>
      ${files.map((file) => `<ComponentRef Id="${componentId(file)}"/>`).join("")}
    </Feature>
    <InstallExecuteSequence>
      <Custom Action="MillraceDataDir" After="AppSearch">NOT DATADIR</Custom>
      <Custom Action="MillracePrepare" After="InstallInitialize">NOT (REMOVE~="ALL")</Custom>
      <Custom Action="MillraceStop" After="InstallInitialize">REMOVE~="ALL"</Custom>
      <Custom Action="MillraceKeep" After="StopServices">REMOVE~="ALL" AND NOT UPGRADINGPRODUCTCODE AND PURGE&lt;&gt;"1"</Custom>
      <Custom Action="MillracePurge" After="StopServices">REMOVE~="ALL" AND NOT UPGRADINGPRODUCTCODE AND PURGE="1"</Custom>
      <Custom Action="MillraceUndo" After="InstallServices">NOT Installed</Custom>
      <Custom Action="MillraceConfigure" After="InstallServices">NOT (REMOVE~="ALL")</Custom>
      <Custom Action="MillraceForget" After="MillraceConfigure">NOT (REMOVE~="ALL")</Custom>
    </InstallExecuteSequence>
  </Product>
</Wix>
`;
}

function hostComponent(source: ProductSource): string {
  return `<Component Id="host" Guid="${stableGuid("host")}" Win64="yes">
            <File Id="millracesvc.exe" Name="millracesvc.exe" Source="${escapeXml(source.host)}" KeyPath="yes"/>
            <ServiceInstall Id="service" Name="MillraceAgent" DisplayName="${NAME}" Description="${DESCRIPTION}" Type="ownProcess" Start="auto" ErrorControl="normal" Account="NT AUTHORITY\\LocalService" Arguments="service" Vital="yes"/>
            <ServiceControl Id="control" Name="MillraceAgent" Start="install" Stop="both" Remove="uninstall" Wait="yes"/>
            <RegistryValue Root="HKLM" Key="${SETTINGS_KEY}" Name="InstallDir" Type="string" Value="[INSTALLDIR]"/>
            <RegistryValue Root="HKLM" Key="${SETTINGS_KEY}" Name="DataDir" Type="string" Value="[DATADIR]"/>
            <RegistryValue Root="HKLM" Key="${SETTINGS_KEY}" Name="Version" Type="string" Value="[MILLRACEVERSION]"/>
            <RegistryValue Root="HKLM" Key="${EVENT_SOURCE}" Name="EventMessageFile" Type="string" Value="[INSTALLDIR]millracesvc.exe"/>
            <RegistryValue Root="HKLM" Key="${EVENT_SOURCE}" Name="TypesSupported" Type="integer" Value="7"/>
          </Component>`;
}

/** Paths below the folder, with `/`; sorted, so that the same payload gives the same package. */
export function payloadFiles(folder: string): string[] {
  const isFile = (entry: Dirent): boolean => entry.isFile();
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(isFile)
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

function directoryXml(source: ProductSource, below: string, files: readonly string[]): string {
  const here = files.filter((file) => !file.slice(below.length).includes("/"));
  const deeper = files.filter((file) => !here.includes(file));
  const names = [...new Set(deeper.map((file) => file.slice(below.length).split("/")[0] ?? ""))];
  const folders = names.map((name) => {
    const inside = `${below}${name}/`;
    const own = deeper.filter((file) => file.startsWith(inside));
    return `<Directory Id="${shortId("d", inside)}" Name="${escapeXml(name)}">${directoryXml(source, inside, own)}</Directory>`;
  });
  return [...here.map((file) => fileXml(source, file)), ...folders].join("\n");
}

/** One component for each file: then each is removed, repaired and counted by itself. */
function fileXml({ version, folder }: ProductSource, file: string): string {
  const name = escapeXml(file.split("/").at(-1) ?? file);
  const guid = stableGuid(`versions/${version}/${file}`);
  return `<Component Id="${componentId(file)}" Guid="${guid}" Win64="yes"><File Id="${shortId("f", file)}" Name="${name}" Source="${escapeXml(`${folder}/${file}`)}" KeyPath="yes"/></Component>`;
}

function componentId(file: string): string {
  return shortId("c", file);
}

function shortId(kind: string, path: string): string {
  return `${kind}${createHash("sha256").update(path).digest("hex").slice(0, 20)}`;
}

function escapeXml(value: string): string {
  return value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
