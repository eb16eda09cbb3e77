// `millracesvc agent …`: the agent's own command line, as millrace-agent.cmd calls it.
#include "host.h"
#include <stdlib.h>
#include <wchar.h>

// What stands behind the program's name and the first word, as it was written: quoting is left alone.
static const wchar_t *tail_of_command_line(void) {
  const wchar_t *at = GetCommandLineW();
  for (int word = 0; word < 2; word++) {
    bool is_quoted = false;
    while (*at == L' ' || *at == L'\t') at++;
    for (; *at != 0 && (is_quoted || (*at != L' ' && *at != L'\t')); at++)
      if (*at == L'"') is_quoted = !is_quoted;
  }
  while (*at == L' ' || *at == L'\t') at++;
  return at;
}

// The agent gets Ctrl-C itself.
static BOOL WINAPI on_break(DWORD type) {
  (void)type;
  return TRUE;
}

int agent_command(void) {
  wchar_t *line = agent_command_line(tail_of_command_line());
  if (line == NULL) {
    say(true, L"no version of the agent is in %ls\\versions: repair the installation", install_dir());
    return 1;
  }
  wchar_t *host = format_text(L"MILLRACE_SERVICE_HOST=%ls", host_path());
  wchar_t *config = format_text(L"MILLRACE_AGENT_CONFIG=%ls\\agent.yaml", data_dir());
  bool is_chosen = GetEnvironmentVariableW(L"MILLRACE_AGENT_CONFIG", NULL, 0) != 0;
  const wchar_t *const extra[] = {host, is_chosen ? NULL : config, NULL};
  wchar_t *environment = agent_environment(extra);
  SetConsoleCtrlHandler(on_break, TRUE);
  STARTUPINFOW startup = {.cb = sizeof startup};
  GetStartupInfoW(&startup);
  PROCESS_INFORMATION process;
  bool is_started = CreateProcessW(NULL, line, NULL, NULL, TRUE, CREATE_UNICODE_ENVIRONMENT, environment, NULL, &startup, &process);
  DWORD code = 1;
  if (is_started) {
    CloseHandle(process.hThread);
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    CloseHandle(process.hProcess);
  } else say(true, L"the agent could not be started: %ls", error_text(GetLastError()));
  free(line);
  free(host);
  free(config);
  free(environment);
  return (int)code;
}
