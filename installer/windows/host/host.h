// Shared by the files of the service host: names, limits, and what each file offers the others.
#ifndef MILLRACE_HOST_H
#define MILLRACE_HOST_H

#ifndef UNICODE
#define UNICODE
#endif
#ifndef _UNICODE
#define _UNICODE
#endif
#define WIN32_LEAN_AND_MEAN
#define WINVER 0x0A00
#define _WIN32_WINNT 0x0A00

#include <windows.h>
#include <stdbool.h>
#include <stddef.h>

#define SERVICE_NAME L"MillraceAgent"
#define PRODUCT_NAME L"Millrace Agent"
#define EVENT_SOURCE L"Millrace Agent"
#define VIRTUAL_ACCOUNT L"NT SERVICE\\MillraceAgent"
#define REGISTRY_KEY L"SOFTWARE\\Millrace\\Agent"

#define MAX_INPUT_BYTES (64 * 1024)
#define STOP_MS 20000
#define MIN_DELAY_MS 1000
#define MAX_DELAY_MS 60000
// A run this long was a good one: the next delay starts small again.
#define HEALTHY_MS 60000
#define LOG_FILE_BYTES (10 * 1024 * 1024)
#define LOG_FILES 5
// An enrollment code that could not be used for so long is given up.
#define ENROLMENT_PATIENCE_MS (7ULL * 24 * 3600 * 1000)

// Exit codes of the agent's commands (docs/agent-cli.md).
#define AGENT_STOPPED 0
#define AGENT_MISCONFIGURED 2
#define AGENT_REFUSED 3

// Numbers of the host's own entries in the event log (docs/install-windows.md).
#define EVENT_STARTED 1
#define EVENT_STOPPED 2
#define EVENT_AGENT_ENDED 3
#define EVENT_MISCONFIGURED 4
#define EVENT_ENROLLED 5
#define EVENT_ENROLMENT_FAILED 6
#define EVENT_HOST_FAILED 7
#define EVENT_TERMINATED 8

typedef enum { LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } Level;

// text.c: memory that is given out is the caller's; when there is none left, the program ends.
void *allocate(size_t bytes);
wchar_t *format_text(const wchar_t *format, ...);
wchar_t *to_wide(const char *utf8);
char *to_utf8(const wchar_t *text);
const wchar_t *error_text(DWORD code);
bool read_input(char **bytes, size_t *length);
bool write_handle(HANDLE handle, const void *bytes, size_t length);
void say(bool is_error, const wchar_t *format, ...);
char *json_string(const char *utf8, size_t length);
char *yaml_string(const wchar_t *text);
void wipe(void *bytes, size_t length);

// places.c: where things are.
const wchar_t *host_path(void);
const wchar_t *install_dir(void);
const wchar_t *data_dir(void);
wchar_t *in_data_dir(const wchar_t *name);
wchar_t *current_version(void);
bool is_folder(const wchar_t *path);
bool is_file(const wchar_t *path);
DWORD setting_number(const wchar_t *name, DWORD otherwise, DWORD least, DWORD most);
bool read_file(const wchar_t *path, char **bytes, size_t *length);
bool replace_file(const wchar_t *path, const void *bytes, size_t length);

// log.c: the log file of host and agent together.
bool log_open(bool is_echoed);
void log_line(Level level, const wchar_t *format, ...);
void log_bytes(const char *bytes, size_t length);
void log_close(void);

// event-log.c
bool event_write(Level level, DWORD number, const wchar_t *message);
int event_command(int count, wchar_t **words);

// child.c: one run of Node in a job of its own.
typedef struct {
  HANDLE process;
  HANDLE job;
  HANDLE input;
  HANDLE pump;
  HANDLE output;
  DWORD pid;
  bool is_text;
} Child;
wchar_t *agent_command_line(const wchar_t *tail);
wchar_t *agent_environment(const wchar_t *const *extra);
bool child_start(Child *child, const wchar_t *tail, const wchar_t *code);
DWORD child_stop(Child *child, void (*tick)(void));
DWORD child_end(Child *child);

// supervise.c: keeps the agent running until `stop` is set. Exit code for the service manager.
DWORD supervise(HANDLE stop, void (*tick)(void));

// service.c
int service_command(void);
int console_command(void);
int stopwait_command(void);

// control.c: `status`, `start` or `stop`.
int control_command(const wchar_t *verb);

// secrets.c: data bound to this machine (DPAPI).
bool protect_bytes(const void *bytes, size_t length, void **blob, size_t *blob_length);
bool unprotect_bytes(const void *blob, size_t length, char **bytes, size_t *bytes_length);
int protect_command(bool is_protecting);

// What the installer was told; NULL where nothing.
typedef struct {
  wchar_t *version, *server, *token, *token_file, *proxy, *ca_file;
} Wishes;

// configure.c, folders.c, first-config.c, service-settings.c, remove.c: run by the installer.
int configure_command(void);
bool read_named(const wchar_t *property, const wchar_t *path, char **bytes, size_t *length);
bool make_folders(void);
bool make_config(const Wishes *wishes);
void service_settings(void);
int unconfigure_command(bool is_purging);

// agent-command.c: the command line of the agent.
int agent_command(void);

#endif
