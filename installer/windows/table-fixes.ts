// What wixl cannot say, or says wrongly, put right in the finished tables of the package.
import { SECURE_PROPERTIES } from "./product-source.ts";

/**
 * Where each action of ours, and each that wixl puts in a wrong place, runs; test/packages asserts the whole table.
 * An upgrade removes the old product inside the transaction, before anything new is there: one that fails is rolled back
 * to the old product, and the old product's service is gone before the new one is made.
 */
export const SEQUENCE: Readonly<Record<string, number>> = {
  MillraceDataDir: 110,
  RemoveExistingProducts: 1501,
  MillracePrepare: 1510,
  MillraceStop: 1850,
  MillraceKeep: 1950,
  MillracePurge: 1951,
  MillraceUndo: 5805,
  MillraceConfigure: 5810,
  MillraceForget: 5811,
};

/** Kinds of custom actions: of the package's library (1), a text (51), an installed program (18). */
const IN_SCRIPT = 0x400;
const ROLLBACK = 0x100;
const AS_SYSTEM = 0x800;
const HIDE_TARGET = 0x2000;
const GO_ON = 0x40;
/** Where wixl leaves parts out: it knows no rollback, and does not hide. */
export const ACTION_TYPES: Readonly<Record<string, number>> = {
  MillraceDataDir: 51,
  MillraceForget: 51,
  MillracePrepare: 1 + HIDE_TARGET,
  MillraceConfigure: 1 + IN_SCRIPT + AS_SYSTEM + HIDE_TARGET,
  MillraceUndo: 18 + IN_SCRIPT + ROLLBACK + AS_SYSTEM + GO_ON,
  MillraceStop: 18 + IN_SCRIPT + AS_SYSTEM + GO_ON,
  MillraceKeep: 18 + IN_SCRIPT + AS_SYSTEM + GO_ON,
  MillracePurge: 18 + IN_SCRIPT + AS_SYSTEM + GO_ON,
};

/** SQL of the installer's own kind, one statement each. */
export function tableFixes(upgradeProperties: readonly string[]): string[] {
  const secure = [...SECURE_PROPERTIES, ...upgradeProperties].join(";");
  return [
    ...Object.entries(SEQUENCE).map(
      ([action, place]) =>
        `UPDATE \`InstallExecuteSequence\` SET \`Sequence\` = ${place} WHERE \`Action\` = '${action}'`,
    ),
    ...Object.entries(ACTION_TYPES).map(
      ([action, type]) => `UPDATE \`CustomAction\` SET \`Type\` = ${type} WHERE \`Action\` = '${action}'`,
    ),
    "UPDATE `InstallExecuteSequence` SET `Condition` = 'STARTSERVICE<>\"0\"' WHERE `Action` = 'StartServices'",
    `UPDATE \`Property\` SET \`Value\` = '${secure}' WHERE \`Property\` = 'SecureCustomProperties'`,
    "CREATE TABLE `Environment` (`Environment` CHAR(72) NOT NULL, `Name` CHAR(255) NOT NULL LOCALIZABLE, `Value` CHAR(255) LOCALIZABLE, `Component_` CHAR(72) NOT NULL PRIMARY KEY `Environment`)",
    // Of the machine, for all; taken out again with the product.
    "INSERT INTO `Environment` (`Environment`, `Name`, `Value`, `Component_`) VALUES ('path', '=-*PATH', '[~];[INSTALLDIR]', 'command')",
    "INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('RemoveEnvironmentStrings', 3300)",
    "INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('WriteEnvironmentStrings', 5200)",
  ];
}
