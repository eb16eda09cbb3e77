// Text and bytes: conversions, quoting, standard input and output.
#include "host.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes == 0 ? 1 : bytes);
  if (memory == NULL) ExitProcess(ERROR_OUTOFMEMORY);
  return memory;
}

static wchar_t *format_list(const wchar_t *format, va_list list) {
  for (size_t capacity = 512;; capacity *= 2) {
    wchar_t *text = allocate(capacity * sizeof(wchar_t));
    va_list copy;
    va_copy(copy, list);
    int length = _vsnwprintf(text, capacity - 1, format, copy);
    va_end(copy);
    if (length >= 0 && (size_t)length < capacity - 1) return text;
    free(text);
    if (capacity > 1024 * 1024) return to_wide("(a text too long to show)");
  }
}

wchar_t *format_text(const wchar_t *format, ...) {
  va_list list;
  va_start(list, format);
  wchar_t *text = format_list(format, list);
  va_end(list);
  return text;
}

wchar_t *to_wide(const char *utf8) {
  int length = MultiByteToWideChar(CP_UTF8, 0, utf8, -1, NULL, 0);
  wchar_t *text = allocate(((size_t)length + 1) * sizeof(wchar_t));
  MultiByteToWideChar(CP_UTF8, 0, utf8, -1, text, length);
  return text;
}

char *to_utf8(const wchar_t *text) {
  int length = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
  char *utf8 = allocate((size_t)length + 1);
  WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8, length, NULL, NULL);
  return utf8;
}

// The system's own words, or the number where it has none. Valid until the thread's next call.
const wchar_t *error_text(DWORD code) {
  static __thread wchar_t text[512];
  DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, code, 0, text,
                                400, NULL);
  while (length > 0 && (text[length - 1] <= L' ' || text[length - 1] == L'.')) text[--length] = 0;
  if (length == 0) _snwprintf(text, 500, L"error %lu", code);
  else _snwprintf(text + length, 500 - length, L" (error %lu)", code);
  return text;
}

// All of standard input, at most MAX_INPUT_BYTES; a zero byte follows.
bool read_input(char **bytes, size_t *length) {
  HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
  char *buffer = allocate(MAX_INPUT_BYTES + 2);
  size_t total = 0;
  for (;;) {
    DWORD count = 0;
    // One byte more than is allowed, so that too much is noticed.
    if (!ReadFile(input, buffer + total, (DWORD)(MAX_INPUT_BYTES + 1 - total), &count, NULL)) {
      DWORD error = GetLastError();
      if (error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF) break;
      say(true, L"standard input could not be read: %ls", error_text(error));
      free(buffer);
      return false;
    }
    if (count == 0) break;
    total += count;
    if (total > MAX_INPUT_BYTES) {
      say(true, L"standard input holds more than %d bytes", MAX_INPUT_BYTES);
      wipe(buffer, total);
      free(buffer);
      return false;
    }
  }
  buffer[total] = 0;
  *bytes = buffer;
  *length = total;
  return true;
}

bool write_handle(HANDLE handle, const void *bytes, size_t length) {
  const char *rest = bytes;
  while (length > 0) {
    DWORD written = 0;
    DWORD part = length > 65536 ? 65536 : (DWORD)length;
    if (!WriteFile(handle, rest, part, &written, NULL) || written == 0) return false;
    rest += written;
    length -= written;
  }
  return true;
}

// A line on standard output or standard error, in UTF-8.
void say(bool is_error, const wchar_t *format, ...) {
  va_list list;
  va_start(list, format);
  wchar_t *text = format_list(format, list);
  va_end(list);
  char *utf8 = to_utf8(text);
  HANDLE handle = GetStdHandle(is_error ? STD_ERROR_HANDLE : STD_OUTPUT_HANDLE);
  write_handle(handle, utf8, strlen(utf8));
  write_handle(handle, "\r\n", 2);
  free(utf8);
  free(text);
}

// A JSON string with its quotes (RFC 8259, section 7).
char *json_string(const char *utf8, size_t length) {
  char *json = allocate(length * 6 + 3);
  char *at = json;
  *at++ = '"';
  for (size_t index = 0; index < length; index++) {
    unsigned char byte = (unsigned char)utf8[index];
    if (byte == '"' || byte == '\\') {
      *at++ = '\\';
      *at++ = (char)byte;
    } else if (byte < 0x20) at += sprintf(at, "\\u%04x", byte);
    else *at++ = (char)byte;
  }
  *at++ = '"';
  *at = 0;
  return json;
}

// A double-quoted YAML scalar (YAML 1.2, section 5.7), in UTF-8.
char *yaml_string(const wchar_t *text) {
  wchar_t *quoted = allocate((wcslen(text) * 6 + 3) * sizeof(wchar_t));
  wchar_t *at = quoted;
  *at++ = L'"';
  for (; *text != 0; text++) {
    bool is_plain = *text >= 0x20 && *text != 0x7f && *text != 0x85 && *text != 0x2028 && *text != 0x2029 &&
                    *text != 0xfeff && !(*text >= 0x80 && *text < 0xa0);
    if (*text == L'"' || *text == L'\\') {
      *at++ = L'\\';
      *at++ = *text;
    } else if (is_plain) *at++ = *text;
    else at += swprintf(at, 7, L"\\u%04x", (unsigned)*text);
  }
  *at++ = L'"';
  *at = 0;
  char *utf8 = to_utf8(quoted);
  free(quoted);
  return utf8;
}

void wipe(void *bytes, size_t length) {
  SecureZeroMemory(bytes, length);
}
