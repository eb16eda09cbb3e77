// The log file: what the agent writes and what the host says, as JSON lines, rotated by size.
#include "host.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static CRITICAL_SECTION guard;
static HANDLE file = INVALID_HANDLE_VALUE;
static bool is_echoing;
static bool is_at_line_start = true;
static unsigned long long size_bytes;
static unsigned long long rotate_at_bytes;

static unsigned long long limit_bytes(void) {
  return setting_number(L"LogFileBytes", LOG_FILE_BYTES, 4096, 1024u * 1024 * 1024);
}

static wchar_t *numbered(DWORD number) {
  return number == 0 ? in_data_dir(L"logs\\agent.log") : format_text(L"%ls\\logs\\agent.%lu.log", data_dir(), number);
}

static bool open_file(void) {
  wchar_t *path = numbered(0);
  DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  file = CreateFileW(path, FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE | FILE_WRITE_DATA, share, NULL,
                     OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
  free(path);
  if (file == INVALID_HANDLE_VALUE) return false;
  LARGE_INTEGER size = {.QuadPart = 0};
  GetFileSizeEx(file, &size);
  SetFilePointerEx(file, (LARGE_INTEGER){.QuadPart = 0}, NULL, FILE_END);
  size_bytes = (unsigned long long)size.QuadPart;
  rotate_at_bytes = limit_bytes();
  return true;
}

static void rotate(void) {
  DWORD count = setting_number(L"LogFiles", LOG_FILES, 1, 100);
  CloseHandle(file);
  file = INVALID_HANDLE_VALUE;
  bool is_moved = true;
  for (DWORD number = count; number > 0; number--) {
    wchar_t *from = numbered(number - 1), *to = numbered(number);
    is_moved = MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING);
    free(from);
    free(to);
  }
  if (!open_file() || is_moved) return;
  // Somebody holds the file open. It may grow to twice its size; after that it begins anew.
  rotate_at_bytes = limit_bytes() * 2;
  if (size_bytes < rotate_at_bytes) return;
  SetFilePointerEx(file, (LARGE_INTEGER){.QuadPart = 0}, NULL, FILE_BEGIN);
  SetEndOfFile(file);
  size_bytes = 0;
}

static void write_part(const char *bytes, size_t length) {
  if (length == 0) return;
  if (is_echoing) write_handle(GetStdHandle(STD_OUTPUT_HANDLE), bytes, length);
  // A full disk must not stop the agent: what cannot be written is let go.
  if (file != INVALID_HANDLE_VALUE) write_handle(file, bytes, length);
  size_bytes += length;
  is_at_line_start = bytes[length - 1] == '\n';
}

static void write_locked(const char *bytes, size_t length) {
  if (size_bytes >= rotate_at_bytes && !is_at_line_start) {
    const char *end = memchr(bytes, '\n', length);
    if (end != NULL) {
      size_t rest_of_line = (size_t)(end - bytes) + 1;
      write_part(bytes, rest_of_line);
      bytes += rest_of_line;
      length -= rest_of_line;
    }
  }
  if (size_bytes >= rotate_at_bytes && is_at_line_start && file != INVALID_HANDLE_VALUE) rotate();
  write_part(bytes, length);
}

// False: the file cannot be written; lines are let go from then on.
bool log_open(bool is_echoed) {
  InitializeCriticalSection(&guard);
  is_echoing = is_echoed;
  return open_file();
}

// Bytes as they come out of the agent; they need not end with a line.
void log_bytes(const char *bytes, size_t length) {
  EnterCriticalSection(&guard);
  write_locked(bytes, length);
  LeaveCriticalSection(&guard);
}

void log_line(Level level, const wchar_t *format, ...) {
  static const char *const names[] = {"info", "warn", "error"};
  wchar_t wide[4096];
  va_list list;
  va_start(list, format);
  _vsnwprintf(wide, 4095, format, list);
  va_end(list);
  wide[4095] = 0;
  char *utf8 = to_utf8(wide);
  char *message = json_string(utf8, strlen(utf8));
  SYSTEMTIME now;
  GetSystemTime(&now);
  size_t capacity = strlen(message) + 200;
  char *line = allocate(capacity);
  int length = snprintf(line, capacity,
                        "{\"level\":\"%s\",\"time\":\"%04u-%02u-%02uT%02u:%02u:%02u.%03uZ\",\"by\":\"service host\",\"message\":%s}\n",
                        names[level], now.wYear, now.wMonth, now.wDay, now.wHour, now.wMinute, now.wSecond,
                        now.wMilliseconds, message);
  EnterCriticalSection(&guard);
  if (!is_at_line_start) write_part("\n", 1);
  write_locked(line, (size_t)length);
  LeaveCriticalSection(&guard);
  free(line);
  free(message);
  free(utf8);
}

void log_close(void) {
  EnterCriticalSection(&guard);
  if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
  file = INVALID_HANDLE_VALUE;
  LeaveCriticalSection(&guard);
}
