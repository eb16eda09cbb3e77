// The service host of the Millrace agent on Windows: finds the command and runs it.
#include "host.h"
#include <stdio.h>
#include <wchar.h>

#ifndef MILLRACE_VERSION
#error "MILLRACE_VERSION is given by the build"
#endif

static int usage(void) {
  say(true, L"millracesvc " MILLRACE_VERSION L", the service host of the Millrace agent. Commands:\r\n"
            L"  service        run under the service manager\r\n"
            L"  console        run in the foreground, until Ctrl-C\r\n"
            L"  agent …        the agent's own command line\r\n"
            L"  protect        standard input, bound to this machine, to standard output\r\n"
            L"  unprotect      back again\r\n"
            L"  event <information|warning|error> <number>   the message on standard input, to the event log\r\n"
            L"  status, start, stop   of the service\r\n"
            L"  version\r\n"
            L"For the installer: configure, stopwait, unconfigure [--purge]");
  return 2;
}

int wmain(int count, wchar_t **words) {
  // A library is taken from the system's folder only, never from the one somebody stands in.
  SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32);
  const wchar_t *command = count > 1 ? words[1] : L"";
  if (wcscmp(command, L"agent") == 0) return agent_command();
  if (wcscmp(command, L"event") == 0) return event_command(count - 2, words + 2);
  if (wcscmp(command, L"unconfigure") == 0) return unconfigure_command(count > 2 && wcscmp(words[2], L"--purge") == 0);
  if (count != 2) return usage();
  if (wcscmp(command, L"service") == 0) return service_command();
  if (wcscmp(command, L"console") == 0) return console_command();
  if (wcscmp(command, L"protect") == 0) return protect_command(true);
  if (wcscmp(command, L"unprotect") == 0) return protect_command(false);
  if (wcscmp(command, L"configure") == 0) return configure_command();
  if (wcscmp(command, L"status") == 0 || wcscmp(command, L"start") == 0 || wcscmp(command, L"stop") == 0)
    return control_command(command);
  if (wcscmp(command, L"stopwait") == 0) return stopwait_command();
  if (wcscmp(command, L"version") != 0) return usage();
  say(false, L"%ls", MILLRACE_VERSION);
  return 0;
}
