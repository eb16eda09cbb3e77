// The service as the service manager sees it, the same in a console, and waiting for its end.
#include "host.h"
#include <stdlib.h>

#define WAIT_HINT_MS 30000
#define STOPWAIT_MS 60000

static SERVICE_STATUS_HANDLE status_handle;
static SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS};
static HANDLE stop_event;

static void report(DWORD state, DWORD code) {
  status.dwCurrentState = state;
  status.dwWin32ExitCode = code;
  status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PRESHUTDOWN : 0;
  bool is_pending = state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;
  status.dwWaitHint = is_pending ? WAIT_HINT_MS : 0;
  status.dwCheckPoint = is_pending ? status.dwCheckPoint + 1 : 0;
  SetServiceStatus(status_handle, &status);
}

static void tick_service(void) {
  report(SERVICE_STOP_PENDING, 0);
}

static void tick_console(void) {}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context) {
  (void)type, (void)data, (void)context;
  if (control == SERVICE_CONTROL_INTERROGATE) return NO_ERROR;
  if (control != SERVICE_CONTROL_STOP && control != SERVICE_CONTROL_PRESHUTDOWN) return ERROR_CALL_NOT_IMPLEMENTED;
  report(SERVICE_STOP_PENDING, 0);
  SetEvent(stop_event);
  return NO_ERROR;
}

static void WINAPI service_main(DWORD count, wchar_t **words) {
  (void)count, (void)words;
  stop_event = CreateEventW(NULL, TRUE, FALSE, NULL);
  status_handle = RegisterServiceCtrlHandlerExW(SERVICE_NAME, on_control, NULL);
  if (status_handle == NULL) return;
  report(SERVICE_START_PENDING, 0);
  if (!log_open(false)) event_write(LEVEL_ERROR, EVENT_HOST_FAILED, L"The log file could not be opened; the agent runs without one.");
  // Up as soon as the host is: an agent that waits for its relay or its configuration must not hold up the machine.
  report(SERVICE_RUNNING, 0);
  DWORD code = supervise(stop_event, tick_service);
  log_close();
  report(SERVICE_STOPPED, code);
}

int service_command(void) {
  SERVICE_TABLE_ENTRYW table[] = {{(wchar_t *)SERVICE_NAME, service_main}, {NULL, NULL}};
  if (StartServiceCtrlDispatcherW(table)) return 0;
  DWORD error = GetLastError();
  if (error == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT)
    say(true, L"`service` is for the service manager; in a console use `millracesvc console`, or start the service: sc start MillraceAgent");
  else say(true, L"the service manager could not be reached: %ls", error_text(error));
  return 1;
}

static BOOL WINAPI on_break(DWORD type) {
  (void)type;
  SetEvent(stop_event);
  return TRUE;
}

// As the service does it, in the foreground, until Ctrl-C.
int console_command(void) {
  stop_event = CreateEventW(NULL, TRUE, FALSE, NULL);
  SetConsoleCtrlHandler(on_break, TRUE);
  if (!log_open(true)) say(true, L"%ls\\logs\\agent.log could not be opened; going on without it", data_dir());
  DWORD code = supervise(stop_event, tick_console);
  log_close();
  return (int)code;
}

// Stops the service and waits until its process is gone, so that its files can be removed. No service: nothing to do.
int stopwait_command(void) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = manager == NULL ? NULL : OpenServiceW(manager, SERVICE_NAME, SERVICE_STOP | SERVICE_QUERY_STATUS);
  if (service == NULL) return GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST ? 0 : 1;
  SERVICE_STATUS_PROCESS facts;
  DWORD bytes = 0;
  HANDLE process = NULL;
  if (QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&facts, sizeof facts, &bytes) && facts.dwProcessId != 0)
    process = OpenProcess(SYNCHRONIZE | PROCESS_TERMINATE, FALSE, facts.dwProcessId);
  SERVICE_STATUS ignored;
  ControlService(service, SERVICE_CONTROL_STOP, &ignored);
  if (process != NULL && WaitForSingleObject(process, STOPWAIT_MS) == WAIT_TIMEOUT) {
    // It has had three times as long as it takes. The agent goes with it, by its job.
    TerminateProcess(process, 1);
    WaitForSingleObject(process, STOP_MS);
  }
  if (process != NULL) CloseHandle(process);
  CloseServiceHandle(service);
  CloseServiceHandle(manager);
  return 0;
}
