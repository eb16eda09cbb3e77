// What the installer calls: gathers its properties, and hands them to the service host by a pipe, on no command line.
#ifndef UNICODE
#define UNICODE
#endif
#define WIN32_LEAN_AND_MEAN
#define WINVER 0x0A00
#define _WIN32_WINNT 0x0A00
#include <windows.h>
#include <msi.h>
#include <msiquery.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define MAX_VALUE_CHARS 8000
#define MAX_SAID_BYTES 16000
#define HOST_MS 120000

static void tell(MSIHANDLE session, INSTALLMESSAGE kind, const wchar_t *text) {
  MSIHANDLE record = MsiCreateRecord(1);
  // In field 0 the text would be a format; in field 1 it is shown as it is.
  MsiRecordSetStringW(record, 0, L"[1]");
  MsiRecordSetStringW(record, 1, text);
  MsiProcessMessage(session, kind, record);
  MsiCloseHandle(record);
}

static wchar_t *property(MSIHANDLE session, const wchar_t *name) {
  DWORD length = 0;
  wchar_t nothing[1] = L"";
  if (MsiGetPropertyW(session, name, nothing, &length) != ERROR_MORE_DATA) return NULL;
  wchar_t *value = calloc((size_t)length + 2, sizeof(wchar_t));
  if (value == NULL) return NULL;
  length++;
  if (MsiGetPropertyW(session, name, value, &length) == ERROR_SUCCESS && value[0] != 0) return value;
  free(value);
  return NULL;
}

// Immediate: what the deferred action will be told. A deferred one sees no properties but its own.
__declspec(dllexport) UINT __stdcall PrepareConfiguration(MSIHANDLE session) {
  static const wchar_t *const names[] = {L"SERVERURL", L"ENROLLTOKEN", L"ENROLLTOKENFILE", L"PROXYURL", L"CAFILE", L"INSTALLDIR"};
  wchar_t *version = property(session, L"MILLRACEVERSION");
  size_t capacity = 256;
  wchar_t *data = calloc(capacity, sizeof(wchar_t));
  UINT result = ERROR_INSTALL_FAILURE;
  if (data == NULL || version == NULL || wcslen(version) > 100) goto end;
  wcscpy(data, L"VERSION=");
  wcscat(data, version);
  wcscat(data, L"\n");
  for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
    wchar_t *value = property(session, names[index]);
    if (value == NULL) continue;
    size_t needed = wcslen(data) + wcslen(names[index]) + wcslen(value) + 3;
    bool is_bad = wcspbrk(value, L"\r\n") != NULL || wcslen(value) > MAX_VALUE_CHARS;
    wchar_t *longer = is_bad ? NULL : realloc(data, needed * sizeof(wchar_t));
    if (longer != NULL) {
      data = longer;
      wcscat(data, names[index]);
      wcscat(data, L"=");
      wcscat(data, value);
      wcscat(data, L"\n");
    } else {
      wchar_t text[300];
      _snwprintf(text, 299, L"The property %ls is too long or holds a line break.", names[index]);
      tell(session, INSTALLMESSAGE_ERROR, text);
    }
    SecureZeroMemory(value, wcslen(value) * sizeof(wchar_t));
    free(value);
    if (longer == NULL) goto end;
  }
  if (MsiSetPropertyW(session, L"MillraceConfigure", data) == ERROR_SUCCESS) result = ERROR_SUCCESS;
  // Nobody else needs it, and what is not there is in no log.
  MsiSetPropertyW(session, L"ENROLLTOKEN", NULL);
end:
  if (data != NULL) SecureZeroMemory(data, wcslen(data) * sizeof(wchar_t));
  free(data);
  free(version);
  return result;
}

static bool pipes(HANDLE pair[2], int inherited) {
  SECURITY_ATTRIBUTES attributes = {.nLength = sizeof attributes, .bInheritHandle = TRUE};
  return CreatePipe(&pair[0], &pair[1], &attributes, 0) && SetHandleInformation(pair[1 - inherited], HANDLE_FLAG_INHERIT, 0);
}

// All that it says; ends when it does.
static char *read_all(HANDLE pipe) {
  char *text = calloc(1, MAX_SAID_BYTES + 1), rest[512];
  DWORD total = 0, count = 0;
  while (text != NULL && total < MAX_SAID_BYTES && ReadFile(pipe, text + total, MAX_SAID_BYTES - total, &count, NULL) && count > 0)
    total += count;
  while (ReadFile(pipe, rest, sizeof rest, &count, NULL) && count > 0) {}
  return text;
}

static void tell_lines(MSIHANDLE session, INSTALLMESSAGE kind, char *utf8) {
  for (char *line = strtok(utf8, "\r\n"); line != NULL; line = strtok(NULL, "\r\n")) {
    wchar_t text[2000] = L"";
    MultiByteToWideChar(CP_UTF8, 0, line, -1, text, 1999);
    tell(session, kind, text);
  }
}

// Runs `millracesvc configure`. False: it failed; what it said is told.
static bool run_host(MSIHANDLE session, const wchar_t *folder, const char *input) {
  wchar_t *line = calloc(wcslen(folder) + 100, sizeof(wchar_t));
  HANDLE in[2] = {NULL, NULL}, out[2] = {NULL, NULL};
  if (line == NULL || !pipes(in, 0) || !pipes(out, 1)) return false;
  wcscpy(line, L"\"");
  wcscat(line, folder);
  wcscat(line, line[wcslen(line) - 1] == L'\\' ? L"millracesvc.exe\" configure" : L"\\millracesvc.exe\" configure");
  STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES, .hStdInput = in[0], .hStdOutput = out[1], .hStdError = out[1]};
  PROCESS_INFORMATION process;
  bool is_started = CreateProcessW(NULL, line, NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL, NULL, &startup, &process);
  CloseHandle(in[0]);
  CloseHandle(out[1]);
  DWORD code = 1, written = 0;
  if (is_started) WriteFile(in[1], input, (DWORD)strlen(input), &written, NULL);
  CloseHandle(in[1]);
  if (is_started) {
    char *said = read_all(out[0]);
    WaitForSingleObject(process.hProcess, HOST_MS);
    GetExitCodeProcess(process.hProcess, &code);
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    if (said != NULL) tell_lines(session, code == 0 ? INSTALLMESSAGE_INFO : INSTALLMESSAGE_ERROR, said);
    free(said);
  } else tell(session, INSTALLMESSAGE_ERROR, L"The service host could not be started.");
  CloseHandle(out[0]);
  free(line);
  return is_started && code == 0;
}

// Deferred, as the system.
__declspec(dllexport) UINT __stdcall Configure(MSIHANDLE session) {
  wchar_t *data = property(session, L"CustomActionData");
  if (data == NULL) return ERROR_INSTALL_FAILURE;
  wchar_t *folder = wcsstr(data, L"\nINSTALLDIR=");
  wchar_t path[MAX_PATH * 4] = L"";
  if (folder != NULL) wcsncpy(path, folder + 12, MAX_PATH * 4 - 1);
  path[wcscspn(path, L"\n")] = 0;
  int bytes = WideCharToMultiByte(CP_UTF8, 0, data, -1, NULL, 0, NULL, NULL);
  char *input = calloc(1, (size_t)bytes + 1);
  bool is_good = false;
  if (input != NULL) {
    WideCharToMultiByte(CP_UTF8, 0, data, -1, input, bytes, NULL, NULL);
    is_good = run_host(session, path, input);
    SecureZeroMemory(input, (size_t)bytes);
  }
  SecureZeroMemory(data, wcslen(data) * sizeof(wchar_t));
  free(input);
  free(data);
  return is_good ? ERROR_SUCCESS : ERROR_INSTALL_FAILURE;
}
