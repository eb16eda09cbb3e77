// The settings that drivers make for themselves right behind a login, told apart from what the engine must carry out.

/** They change how a real server answers in ways that this one does not have. */
const DRIVER_SETTING =
  /^set (?:ansi_nulls|ansi_null_dflt_on|ansi_padding|ansi_warnings|arithabort|concat_null_yields_null|cursor_close_on_commit|datefirst|dateformat|implicit_transactions off|language|numeric_roundabort|quoted_identifier|textsize|xact_abort off)\b/i;

/** What remains of a batch of settings for the engine, perhaps nothing; undefined when it is another batch. */
export function engineSettings(batch: string): string | undefined {
  const lines = batch.split("\n").map((line) => line.trim());
  if (!DRIVER_SETTING.test(lines[0] ?? "") || !lines.every((line) => /^set /i.test(line))) return undefined;
  return lines.filter((line) => !DRIVER_SETTING.test(line)).join(";\n");
}
