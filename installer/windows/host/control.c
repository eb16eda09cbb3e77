// `status`, `start` and `stop` of the service, for the agent's command line: no words of another language to understand.
#include "host.h"
#include <wchar.h>

#define START_MS 60000
#define TICK_MS 100

static SC_HANDLE open_service(DWORD rights) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  if (manager == NULL) return NULL;
  SC_HANDLE service = OpenServiceW(manager, SERVICE_NAME, rights);
  DWORD error = GetLastError();
  CloseServiceHandle(manager);
  SetLastError(error);
  return service;
}

static bool query(SC_HANDLE service, SERVICE_STATUS_PROCESS *facts) {
  DWORD bytes = 0;
  return QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)facts, sizeof *facts, &bytes);
}

static int failed(const wchar_t *what) {
  DWORD error = GetLastError();
  const wchar_t *advice = error == ERROR_ACCESS_DENIED ? L"; open the command prompt as an administrator" : L"";
  say(true, L"%ls failed: %ls%ls", what, error_text(error), advice);
  return 1;
}

static bool starts_at_boot(SC_HANDLE service) {
  BYTE facts[8192];
  DWORD bytes = 0;
  if (!QueryServiceConfigW(service, (QUERY_SERVICE_CONFIGW *)facts, sizeof facts, &bytes)) return false;
  return ((QUERY_SERVICE_CONFIGW *)facts)->dwStartType == SERVICE_AUTO_START;
}

// ms since the Unix epoch, 0 where it cannot be asked.
static unsigned long long started_at_ms(DWORD pid) {
  HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
  FILETIME created = {0}, other[3];
  if (process == NULL) return 0;
  bool is_known = GetProcessTimes(process, &created, &other[0], &other[1], &other[2]);
  CloseHandle(process);
  ULARGE_INTEGER ticks = {.LowPart = created.dwLowDateTime, .HighPart = created.dwHighDateTime};
  return is_known && ticks.QuadPart > 116444736000000000ULL ? (ticks.QuadPart - 116444736000000000ULL) / 10000 : 0;
}

// One line of JSON.
static int status(void) {
  // By SERVICE_STOPPED = 1, START_PENDING, STOP_PENDING, RUNNING and so on; the host knows no pause.
  static const wchar_t *const states[] = {L"absent", L"stopped", L"starting", L"stopping", L"running"};
  SC_HANDLE service = open_service(SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG);
  SERVICE_STATUS_PROCESS facts = {0};
  if (service == NULL && GetLastError() != ERROR_SERVICE_DOES_NOT_EXIST) return failed(L"asking the service manager");
  if (service == NULL) {
    say(false, L"{\"state\":\"absent\",\"startsAtBoot\":false}");
    return 0;
  }
  if (!query(service, &facts)) return failed(L"asking the service manager");
  const wchar_t *state = facts.dwCurrentState < 5 ? states[facts.dwCurrentState] : L"running";
  say(false, L"{\"state\":\"%ls\",\"startsAtBoot\":%ls,\"pid\":%lu,\"sinceMs\":%llu,\"exitCode\":%lu}", state,
      starts_at_boot(service) ? L"true" : L"false", facts.dwProcessId, started_at_ms(facts.dwProcessId),
      facts.dwWin32ExitCode);
  CloseServiceHandle(service);
  return 0;
}

// Also lets it start with the machine.
static int start(void) {
  SC_HANDLE service = open_service(SERVICE_START | SERVICE_QUERY_STATUS | SERVICE_CHANGE_CONFIG);
  SERVICE_STATUS_PROCESS facts = {0};
  if (service == NULL) return failed(L"opening the service");
  ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_AUTO_START, SERVICE_NO_CHANGE, NULL, NULL, NULL, NULL, NULL,
                       NULL, NULL);
  if (!StartServiceW(service, 0, NULL) && GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
    return failed(L"starting the service");
  for (DWORD waited = 0; waited < START_MS; waited += TICK_MS) {
    if (!query(service, &facts)) return failed(L"asking the service manager");
    if (facts.dwCurrentState == SERVICE_RUNNING) return 0;
    if (facts.dwCurrentState == SERVICE_STOPPED) break;
    Sleep(TICK_MS);
  }
  say(true, L"the service did not start; the event log says why");
  return 1;
}

static int stop(void) {
  SC_HANDLE service = open_service(SERVICE_STOP);
  if (service == NULL) return failed(L"opening the service");
  CloseServiceHandle(service);
  return stopwait_command();
}

int control_command(const wchar_t *verb) {
  if (wcscmp(verb, L"status") == 0) return status();
  return wcscmp(verb, L"start") == 0 ? start() : stop();
}
