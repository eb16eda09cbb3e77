// Run by the installer, as the system: folders, the code to enrol with, the first configuration, the service's settings.
#include "host.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static wchar_t *trimmed(const char *bytes) {
  const char *start = bytes + strspn(bytes, " \t\r\n\xEF\xBB\xBF");
  char *copy = allocate(strlen(start) + 1);
  memcpy(copy, start, strlen(start));
  for (size_t length = strlen(copy); length > 0 && strchr(" \t\r\n", copy[length - 1]) != NULL;) copy[--length] = 0;
  wchar_t *text = to_wide(copy);
  wipe(copy, strlen(copy));
  free(copy);
  return text;
}

static bool is_absolute(const wchar_t *path) {
  return (path[0] != 0 && path[1] == L':' && path[2] == L'\\') || (path[0] == L'\\' && path[1] == L'\\');
}

// A file that a property of the installer names. False: it was said why.
bool read_named(const wchar_t *property, const wchar_t *path, char **bytes, size_t *length) {
  if (!is_absolute(path)) {
    say(true, L"%ls=%ls is not a full path; write one such as C:\\Temp\\file or \\\\server\\share\\file", property, path);
    return false;
  }
  if (read_file(path, bytes, length)) return true;
  say(true, L"%ls=%ls could not be read by the system's account: %ls", property, path, error_text(GetLastError()));
  return false;
}

// The code is kept, bound to the machine, until the service has used it. False: the installation is to fail.
static bool leave_code(const Wishes *wishes) {
  wchar_t *code = wishes->token == NULL ? NULL : format_text(L"%ls", wishes->token);
  if (code == NULL && wishes->token_file == NULL) return true;
  if (code == NULL) {
    char *bytes = NULL;
    size_t length = 0;
    if (!read_named(L"ENROLLTOKENFILE", wishes->token_file, &bytes, &length)) return false;
    code = trimmed(bytes);
    wipe(bytes, length);
    free(bytes);
  }
  char *utf8 = to_utf8(code);
  wchar_t *path = in_data_dir(L"data\\enrollment-code");
  void *blob = NULL;
  size_t blob_length = 0;
  bool is_left = protect_bytes(utf8, strlen(utf8), &blob, &blob_length) && replace_file(path, blob, blob_length);
  if (is_left) say(false, L"The service enrols with the code that was given when it starts.");
  else say(true, L"the enrollment code could not be kept in %ls: %ls", path, error_text(GetLastError()));
  wipe(utf8, strlen(utf8));
  wipe(code, wcslen(code) * sizeof(wchar_t));
  free(utf8);
  free(code);
  free(blob);
  free(path);
  return is_left;
}

static void read_wishes(char *input, Wishes *wishes) {
  struct {
    const char *name;
    wchar_t **value;
  } const known[] = {{"VERSION=", &wishes->version},   {"SERVERURL=", &wishes->server},
                     {"ENROLLTOKEN=", &wishes->token}, {"ENROLLTOKENFILE=", &wishes->token_file},
                     {"PROXYURL=", &wishes->proxy},    {"CAFILE=", &wishes->ca_file}};
  for (char *line = strtok(input, "\r\n"); line != NULL; line = strtok(NULL, "\r\n"))
    for (size_t index = 0; index < sizeof known / sizeof *known; index++) {
      size_t length = strlen(known[index].name);
      if (strncmp(line, known[index].name, length) == 0 && line[length] != 0) *known[index].value = trimmed(line + length);
    }
}

static bool name_version(const wchar_t *version) {
  wchar_t *path = format_text(L"%ls\\current.txt", install_dir());
  char *text = to_utf8(version);
  bool is_named = replace_file(path, text, strlen(text));
  if (!is_named) say(true, L"%ls could not be written: %ls", path, error_text(GetLastError()));
  free(text);
  free(path);
  return is_named;
}

// Lines `NAME=value` on standard input, so that no code stands on a command line.
int configure_command(void) {
  char *input = NULL;
  size_t length = 0;
  Wishes wishes = {0};
  if (!read_input(&input, &length)) return 1;
  read_wishes(input, &wishes);
  wipe(input, length);
  free(input);
  if (wishes.version == NULL) {
    say(true, L"usage: millracesvc configure, with VERSION=<version> and more on standard input; the installer runs it");
    return 2;
  }
  const wchar_t *folder = install_dir();
  if (wcslen(folder) <= 3) {
    say(true, L"INSTALLDIR must be a folder of its own, not %ls", folder);
    return 1;
  }
  if (!make_folders() || !leave_code(&wishes) || !make_config(&wishes) || !name_version(wishes.version)) return 1;
  service_settings();
  return 0;
}
