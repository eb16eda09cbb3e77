// Entries in the Windows event log, under the source that the installer registers.
#include "host.h"
#include <stdlib.h>
#include <wchar.h>

#define MAX_MESSAGE_CHARS 30000

bool event_write(Level level, DWORD number, const wchar_t *message) {
  static const WORD types[] = {EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE, EVENTLOG_ERROR_TYPE};
  HANDLE log = RegisterEventSourceW(NULL, EVENT_SOURCE);
  if (log == NULL) return false;
  const wchar_t *texts[] = {message};
  BOOL is_written = ReportEventW(log, types[level], 0, number, NULL, 1, 0, texts, NULL);
  DeregisterEventSource(log);
  return is_written;
}

// event <information|warning|error> <number>, the message in UTF-8 on standard input.
int event_command(int count, wchar_t **words) {
  static const wchar_t *const names[] = {L"information", L"warning", L"error"};
  int level = 0;
  wchar_t *end = NULL;
  unsigned long number = count == 2 ? wcstoul(words[1], &end, 10) : 0;
  while (count == 2 && level < 3 && wcscmp(words[0], names[level]) != 0) level++;
  if (count != 2 || level == 3 || *end != 0 || number == 0 || number > 0xffff) {
    say(true, L"usage: millracesvc event <information|warning|error> <number from 1 to 65535>, the message on standard input");
    return 2;
  }
  char *bytes = NULL;
  size_t length = 0;
  if (!read_input(&bytes, &length)) return 1;
  while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r')) bytes[--length] = 0;
  wchar_t *message = to_wide(bytes);
  if (wcslen(message) > MAX_MESSAGE_CHARS) message[MAX_MESSAGE_CHARS] = 0;
  bool is_written = event_write((Level)level, number, message);
  if (!is_written) say(true, L"the event log could not be written: %ls", error_text(GetLastError()));
  free(message);
  free(bytes);
  return is_written ? 0 : 1;
}
