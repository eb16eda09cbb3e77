// Run by the installer when the product goes: what it made beside the installed files, and with PURGE=1 the data.
#include "host.h"
#include <stdlib.h>
#include <wchar.h>

static void remove_file(const wchar_t *path) {
  SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL);
  if (!DeleteFileW(path) && GetLastError() != ERROR_FILE_NOT_FOUND && GetLastError() != ERROR_PATH_NOT_FOUND)
    say(false, L"%ls could not be deleted: %ls", path, error_text(GetLastError()));
}

// Links are removed, not followed.
static void remove_tree(const wchar_t *path) {
  wchar_t *pattern = format_text(L"%ls\\*", path);
  WIN32_FIND_DATAW entry;
  HANDLE search = FindFirstFileW(pattern, &entry);
  free(pattern);
  if (search != INVALID_HANDLE_VALUE) {
    do {
      if (wcscmp(entry.cFileName, L".") == 0 || wcscmp(entry.cFileName, L"..") == 0) continue;
      wchar_t *child = format_text(L"%ls\\%ls", path, entry.cFileName);
      bool is_link = (entry.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
      bool is_directory = (entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
      if (is_directory && is_link) RemoveDirectoryW(child);
      else if (is_directory) remove_tree(child);
      else remove_file(child);
      free(child);
    } while (FindNextFileW(search, &entry));
    FindClose(search);
  }
  if (!RemoveDirectoryW(path) && GetLastError() != ERROR_FILE_NOT_FOUND && GetLastError() != ERROR_PATH_NOT_FOUND)
    say(false, L"%ls could not be removed: %ls", path, error_text(GetLastError()));
}

// Only what is ours: DATADIR may have been somebody's folder before.
static void purge(void) {
  static const wchar_t *const files[] = {L"agent.yaml", L"relay-ca.pem"};
  static const wchar_t *const folders[] = {L"data", L"logs", L"secrets"};
  for (size_t index = 0; index < sizeof files / sizeof *files; index++) {
    wchar_t *path = in_data_dir(files[index]);
    remove_file(path);
    free(path);
  }
  for (size_t index = 0; index < sizeof folders / sizeof *folders; index++) {
    wchar_t *path = in_data_dir(folders[index]);
    remove_tree(path);
    free(path);
  }
  if (RemoveDirectoryW(data_dir())) say(false, L"%ls was removed with all data.", data_dir());
  else say(false, L"%ls stays, because there is more in it than the agent's data.", data_dir());
}

// Never fails: what cannot be deleted is told, and the removal goes on.
int unconfigure_command(bool is_purging) {
  wchar_t *current = format_text(L"%ls\\current.txt", install_dir());
  remove_file(current);
  free(current);
  if (is_purging) purge();
  else say(false, L"Configuration and data stay in %ls.", data_dir());
  return 0;
}
