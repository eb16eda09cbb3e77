// Where the installation and its data are, and small files read and replaced whole.
#include "host.h"
#include <shlobj.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

const wchar_t *host_path(void) {
  static wchar_t path[32768];
  if (path[0] == 0 && GetModuleFileNameW(NULL, path, 32767) == 0) ExitProcess(GetLastError());
  return path;
}

// Without a backslash at its end.
const wchar_t *install_dir(void) {
  static wchar_t folder[32768];
  if (folder[0] == 0) {
    wcscpy(folder, host_path());
    wchar_t *slash = wcsrchr(folder, L'\\');
    if (slash != NULL) *slash = 0;
  }
  return folder;
}

static bool registry_text(const wchar_t *name, wchar_t *text, DWORD bytes) {
  DWORD flags = RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY;
  return RegGetValueW(HKEY_LOCAL_MACHINE, REGISTRY_KEY, name, flags, NULL, text, &bytes) == ERROR_SUCCESS;
}

// As the installer wrote it down, else in the folder for all users' data. Without a backslash at its end.
const wchar_t *data_dir(void) {
  static wchar_t folder[32768];
  if (folder[0] != 0) return folder;
  if (!registry_text(L"DataDir", folder, sizeof folder - 2) || folder[0] == 0) {
    wchar_t common[MAX_PATH] = L"C:\\ProgramData";
    // Not %ProgramData%: a service's environment may say something else.
    SHGetFolderPathW(NULL, CSIDL_COMMON_APPDATA, NULL, SHGFP_TYPE_CURRENT, common);
    wcscpy(folder, common);
    wcscat(folder, L"\\" PRODUCT_NAME);
  }
  for (size_t length = wcslen(folder); length > 3 && folder[length - 1] == L'\\';) folder[--length] = 0;
  return folder;
}

wchar_t *in_data_dir(const wchar_t *name) {
  return format_text(L"%ls\\%ls", data_dir(), name);
}

DWORD setting_number(const wchar_t *name, DWORD otherwise, DWORD least, DWORD most) {
  DWORD value = 0, bytes = sizeof value;
  DWORD flags = RRF_RT_REG_DWORD | RRF_SUBKEY_WOW6464KEY;
  if (RegGetValueW(HKEY_LOCAL_MACHINE, REGISTRY_KEY, name, flags, NULL, &value, &bytes) != ERROR_SUCCESS)
    return otherwise;
  return value < least ? least : value > most ? most : value;
}

bool is_folder(const wchar_t *path) {
  DWORD attributes = GetFileAttributesW(path);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

bool is_file(const wchar_t *path) {
  DWORD attributes = GetFileAttributesW(path);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

static bool has_version(const wchar_t *version) {
  wchar_t *node = format_text(L"%ls\\versions\\%ls\\node.exe", install_dir(), version);
  bool has = version[0] != 0 && wcspbrk(version, L"\\/:*?") == NULL && is_file(node);
  free(node);
  return has;
}

static int compare_versions(const wchar_t *left, const wchar_t *right) {
  for (int part = 0; part < 4; part++) {
    unsigned long a = wcstoul(left, (wchar_t **)&left, 10), b = wcstoul(right, (wchar_t **)&right, 10);
    if (a != b) return a < b ? -1 : 1;
    if (*left == L'.') left++;
    if (*right == L'.') right++;
  }
  return 0;
}

// What current.txt names; where that is not there (an upgrade was rolled back), the newest that is. NULL: none.
wchar_t *current_version(void) {
  wchar_t *file = format_text(L"%ls\\current.txt", install_dir());
  char *bytes = NULL;
  size_t length = 0;
  wchar_t *found = NULL;
  if (read_file(file, &bytes, &length)) {
    bytes[strcspn(bytes, "\r\n ")] = 0;
    found = to_wide(bytes);
    free(bytes);
    if (!has_version(found)) {
      free(found);
      found = NULL;
    }
  }
  free(file);
  if (found != NULL) return found;
  wchar_t *pattern = format_text(L"%ls\\versions\\*", install_dir());
  WIN32_FIND_DATAW entry;
  HANDLE search = FindFirstFileW(pattern, &entry);
  free(pattern);
  if (search == INVALID_HANDLE_VALUE) return NULL;
  do {
    if (!has_version(entry.cFileName) || entry.cFileName[0] == L'.') continue;
    if (found != NULL && compare_versions(found, entry.cFileName) >= 0) continue;
    free(found);
    found = format_text(L"%ls", entry.cFileName);
  } while (FindNextFileW(search, &entry));
  FindClose(search);
  return found;
}

// A whole file of at most MAX_INPUT_BYTES; a zero byte follows. The error is GetLastError's.
bool read_file(const wchar_t *path, char **bytes, size_t *length) {
  DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  HANDLE file = CreateFileW(path, GENERIC_READ, share, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return false;
  char *buffer = allocate(MAX_INPUT_BYTES + 2);
  size_t total = 0;
  DWORD count = 0, error = 0;
  do {
    if (!ReadFile(file, buffer + total, (DWORD)(MAX_INPUT_BYTES + 1 - total), &count, NULL)) error = GetLastError();
    else total += count;
  } while (error == 0 && count > 0 && total <= MAX_INPUT_BYTES);
  CloseHandle(file);
  if (error == 0 && total > MAX_INPUT_BYTES) error = ERROR_FILE_TOO_LARGE;
  if (error != 0) {
    free(buffer);
    SetLastError(error);
    return false;
  }
  buffer[total] = 0;
  *bytes = buffer;
  *length = total;
  return true;
}

// Written beside it, flushed, then renamed over it: there is never half of a file. The error is GetLastError's.
bool replace_file(const wchar_t *path, const void *bytes, size_t length) {
  wchar_t *beside = format_text(L"%ls.new", path);
  HANDLE file = CreateFileW(beside, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
  bool is_done = file != INVALID_HANDLE_VALUE;
  DWORD error = is_done ? 0 : GetLastError();
  if (is_done) {
    is_done = write_handle(file, bytes, length) && FlushFileBuffers(file);
    if (!is_done) error = GetLastError();
    CloseHandle(file);
  }
  if (is_done && !MoveFileExW(beside, path, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
    error = GetLastError();
    is_done = false;
  }
  if (!is_done) DeleteFileW(beside);
  free(beside);
  if (!is_done) SetLastError(error);
  return is_done;
}
