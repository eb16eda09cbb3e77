// Keeps the agent running: enrols it where a code was left by the installer, starts it again with back-off when it ends.
#include "host.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static HANDLE stop_event;
static void (*tick_host)(void);
static bool is_misconfigured_told, is_enrolment_told;

// True when the service is to stop; then the child has ended too.
static bool wait_for(Child *child, DWORD *code) {
  HANDLE either[] = {stop_event, child->process};
  if (WaitForMultipleObjects(2, either, FALSE, INFINITE) == WAIT_OBJECT_0) {
    *code = child_stop(child, tick_host);
    return true;
  }
  *code = child_end(child);
  return false;
}

static unsigned long long age_ms(const wchar_t *path) {
  WIN32_FILE_ATTRIBUTE_DATA facts;
  FILETIME now;
  if (!GetFileAttributesExW(path, GetFileExInfoStandard, &facts)) return 0;
  GetSystemTimeAsFileTime(&now);
  ULARGE_INTEGER written = {.LowPart = facts.ftLastWriteTime.dwLowDateTime, .HighPart = facts.ftLastWriteTime.dwHighDateTime};
  ULARGE_INTEGER current = {.LowPart = now.dwLowDateTime, .HighPart = now.dwHighDateTime};
  return current.QuadPart > written.QuadPart ? (current.QuadPart - written.QuadPart) / 10000 : 0;
}

// The code that the installer left, NULL if there is none.
static wchar_t *left_code(const wchar_t *file) {
  char *blob = NULL, *code = NULL;
  size_t blob_length = 0, length = 0;
  if (!read_file(file, &blob, &blob_length)) return NULL;
  bool is_open = unprotect_bytes(blob, blob_length, &code, &length);
  free(blob);
  if (!is_open) {
    log_line(LEVEL_ERROR, L"%ls could not be decrypted on this machine: %ls; enrol by hand: millrace-agent enroll", file,
             error_text(GetLastError()));
    DeleteFileW(file);
    return NULL;
  }
  wchar_t *text = to_wide(code);
  wipe(code, length);
  free(code);
  return text;
}

typedef enum { ENROLMENT_DONE, ENROLMENT_LATER, ENROLMENT_STOPPED } Enrolment;

static void tell_failed_enrolment(const wchar_t *what) {
  log_line(LEVEL_ERROR, L"%ls", what);
  if (!is_enrolment_told) event_write(LEVEL_ERROR, EVENT_ENROLMENT_FAILED, what);
  is_enrolment_told = true;
}

// A code that works, or never will, is used up; while the relay cannot be reached it is kept.
static Enrolment enrol(void) {
  wchar_t *file = in_data_dir(L"data\\enrollment-code");
  wchar_t *code = left_code(file);
  Enrolment outcome = ENROLMENT_DONE;
  if (code != NULL) {
    Child child;
    DWORD ended = 1;
    log_line(LEVEL_INFO, L"enrolling with the code given to the installer");
    bool is_started = child_start(&child, L"enroll", code);
    wipe(code, wcslen(code) * sizeof(wchar_t));
    free(code);
    if (is_started && wait_for(&child, &ended)) outcome = ENROLMENT_STOPPED;
    else if (ended == 0) {
      DeleteFileW(file);
      is_enrolment_told = false;
      event_write(LEVEL_INFO, EVENT_ENROLLED, L"The agent is enrolled.");
    } else if (ended == AGENT_REFUSED || age_ms(file) > ENROLMENT_PATIENCE_MS) {
      DeleteFileW(file);
      tell_failed_enrolment(L"The agent was not enrolled with the code given to the installer, which is deleted. The lines "
                            L"before this one in the log say why. If it is not enrolled yet: millrace-agent enroll");
    } else {
      tell_failed_enrolment(L"The agent could not be enrolled yet; it is tried again until it works, for a week. The "
                            L"lines before this one in the log say why.");
      outcome = ENROLMENT_LATER;
    }
  }
  free(file);
  return outcome;
}

static void tell_end(DWORD code, DWORD delay_ms) {
  wchar_t *what = format_text(L"The agent ended with exit code %lu (0x%lx); it is started again after %lu s. The last lines of its log say more.",
                              code, code, delay_ms / 1000);
  log_line(LEVEL_ERROR, L"%ls", what);
  event_write(LEVEL_WARN, EVENT_AGENT_ENDED, what);
  free(what);
}

static void tell_misconfigured(DWORD delay_ms) {
  const wchar_t *what = L"The agent cannot run: its configuration is wrong, or it is not enrolled. The lines before this "
                        L"one in the log say which.";
  log_line(LEVEL_ERROR, L"%ls It is tried again after %lu s.", what, delay_ms / 1000);
  if (!is_misconfigured_told) event_write(LEVEL_ERROR, EVENT_MISCONFIGURED, what);
  is_misconfigured_told = true;
}

// Only one host for a data folder. The file goes with its handle, however this process ends.
static HANDLE take_place(void) {
  wchar_t *file = in_data_dir(L"logs\\host.lock");
  HANDLE lock = CreateFileW(file, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
  free(file);
  return lock;
}

static DWORD run_until_stopped(void) {
  DWORD delay_ms = MIN_DELAY_MS;
  while (WaitForSingleObject(stop_event, 0) == WAIT_TIMEOUT) {
    Enrolment enrolment = enrol();
    if (enrolment == ENROLMENT_STOPPED) break;
    Child child;
    DWORD code = 1;
    unsigned long long started = GetTickCount64();
    if (enrolment == ENROLMENT_DONE) {
      if (child_start(&child, L"run", NULL)) {
        log_line(LEVEL_INFO, L"the agent was started as process %lu", child.pid);
        if (wait_for(&child, &code)) break;
        if (code == AGENT_STOPPED) {
          log_line(LEVEL_INFO, L"the agent was told to stop by its own command line; the service stops with it");
          break;
        }
      }
      if (GetTickCount64() - started >= HEALTHY_MS) {
        delay_ms = MIN_DELAY_MS;
        is_misconfigured_told = false;
      }
      if (code == AGENT_MISCONFIGURED) delay_ms = MAX_DELAY_MS;
      if (code == AGENT_MISCONFIGURED) tell_misconfigured(delay_ms);
      else tell_end(code, delay_ms);
    }
    if (WaitForSingleObject(stop_event, delay_ms) != WAIT_TIMEOUT) break;
    delay_ms = delay_ms * 2 > MAX_DELAY_MS ? MAX_DELAY_MS : delay_ms * 2;
  }
  return 0;
}

DWORD supervise(HANDLE stop, void (*tick)(void)) {
  stop_event = stop;
  tick_host = tick;
  HANDLE lock = take_place();
  if (lock == INVALID_HANDLE_VALUE) {
    DWORD error = GetLastError();
    wchar_t *what = error == ERROR_SHARING_VIOLATION
                        ? format_text(L"another Millrace service host runs for %ls already; stop it first", data_dir())
                        : format_text(L"%ls\\logs could not be written: %ls; repair the installation", data_dir(), error_text(error));
    say(true, L"%ls", what);
    event_write(LEVEL_ERROR, EVENT_HOST_FAILED, what);
    free(what);
    return error;
  }
  log_line(LEVEL_INFO, L"the service host starts, data in %ls", data_dir());
  event_write(LEVEL_INFO, EVENT_STARTED, L"The service host has started.");
  DWORD code = run_until_stopped();
  log_line(LEVEL_INFO, L"the service host stops");
  event_write(LEVEL_INFO, EVENT_STOPPED, L"The service host has stopped.");
  CloseHandle(lock);
  return code;
}
