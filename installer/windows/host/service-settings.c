// What the installer's tables cannot say of the service: account, rights, late start, what happens when it fails.
#include "host.h"
#include <wchar.h>

#define PRESHUTDOWN_MS 30000
#define RESET_SECONDS 86400

// A setting that this Windows does not take is told, and the service runs without it.
static void told(const wchar_t *what, BOOL is_done) {
  if (!is_done) say(false, L"%ls could not be set: %ls", what, error_text(GetLastError()));
}

void service_settings(void) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = manager == NULL ? NULL : OpenServiceW(manager, SERVICE_NAME, SERVICE_CHANGE_CONFIG | SERVICE_START);
  if (service == NULL) {
    say(false, L"the service's settings could not be opened: %ls", error_text(GetLastError()));
    return;
  }
  // An account of its own; where there is none it stays with the LocalService account, told apart by its service SID.
  told(L"the service's own account",
       ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, NULL, NULL, NULL, NULL,
                            VIRTUAL_ACCOUNT, L"", NULL));
  SERVICE_SID_INFO sid = {.dwServiceSidType = SERVICE_SID_TYPE_UNRESTRICTED};
  told(L"the service's SID", ChangeServiceConfig2W(service, SERVICE_CONFIG_SERVICE_SID_INFO, &sid));
  SERVICE_REQUIRED_PRIVILEGES_INFOW privileges = {.pmszRequiredPrivileges = (wchar_t *)L"SeChangeNotifyPrivilege\0"};
  told(L"the service's privileges", ChangeServiceConfig2W(service, SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, &privileges));
  SERVICE_DELAYED_AUTO_START_INFO late = {.fDelayedAutostart = TRUE};
  told(L"its late start", ChangeServiceConfig2W(service, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &late));
  SERVICE_PRESHUTDOWN_INFO shutdown = {.dwPreshutdownTimeout = PRESHUTDOWN_MS};
  told(L"its time at shutdown", ChangeServiceConfig2W(service, SERVICE_CONFIG_PRESHUTDOWN_INFO, &shutdown));
  // The host starts the agent again by itself; these are for the host's own failure.
  SC_ACTION actions[] = {{SC_ACTION_RESTART, 5000}, {SC_ACTION_RESTART, 15000}, {SC_ACTION_RESTART, 60000}};
  SERVICE_FAILURE_ACTIONSW failure = {.dwResetPeriod = RESET_SECONDS, .cActions = 3, .lpsaActions = actions};
  told(L"its restart after a failure", ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS, &failure));
  SERVICE_FAILURE_ACTIONS_FLAG flag = {.fFailureActionsOnNonCrashFailures = TRUE};
  told(L"its restart after an error", ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &flag));
  CloseServiceHandle(service);
  CloseServiceHandle(manager);
}
