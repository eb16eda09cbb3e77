// One run of the agent: Node in a job of its own, with a pipe to be stopped by and a pipe into the log.
#include "host.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define PUMP_BYTES 16384
#define MAX_LINE_BYTES 3000
#define PUMP_END_MS 5000
#define TICK_MS 500

static bool is_named(const wchar_t *entry, const wchar_t *name, size_t length) {
  return _wcsnicmp(entry, name, length) == 0 && entry[length] == L'=';
}

// This process's environment with these entries (`NAME=value`, ended by NULL) in place of others of their names.
// Flags for Node in the machine's environment are meant for others.
wchar_t *agent_environment(const wchar_t *const *extra) {
  wchar_t *own = GetEnvironmentStringsW();
  size_t capacity = 2;
  for (const wchar_t *entry = own; *entry != 0; entry += wcslen(entry) + 1) capacity += wcslen(entry) + 1;
  for (const wchar_t *const *each = extra; *each != NULL; each++) capacity += wcslen(*each) + 1;
  wchar_t *block = allocate(capacity * sizeof(wchar_t));
  wchar_t *at = block;
  for (const wchar_t *entry = own; *entry != 0; entry += wcslen(entry) + 1) {
    bool is_left_out = is_named(entry, L"NODE_OPTIONS", 12) || is_named(entry, L"NODE_PATH", 9);
    for (const wchar_t *const *each = extra; *each != NULL && !is_left_out; each++)
      is_left_out = is_named(entry, *each, wcscspn(*each, L"="));
    if (is_left_out) continue;
    wcscpy(at, entry);
    at += wcslen(at) + 1;
  }
  for (const wchar_t *const *each = extra; *each != NULL; each++) {
    wcscpy(at, *each);
    at += wcslen(at) + 1;
  }
  FreeEnvironmentStringsW(own);
  return block;
}

// NULL: no version is installed.
wchar_t *agent_command_line(const wchar_t *tail) {
  wchar_t *version = current_version();
  if (version == NULL) return NULL;
  const wchar_t *folder = install_dir();
  wchar_t *line = format_text(L"\"%ls\\versions\\%ls\\node.exe\" \"%ls\\versions\\%ls\\main.mjs\" %ls", folder, version,
                              folder, version, tail);
  free(version);
  return line;
}

static DWORD WINAPI pump(void *argument) {
  Child *child = argument;
  char *bytes = allocate(PUMP_BYTES), line[MAX_LINE_BYTES + 1];
  size_t held = 0;
  DWORD count = 0;
  while (ReadFile(child->output, bytes, PUMP_BYTES, &count, NULL) && count > 0) {
    if (!child->is_text) {
      log_bytes(bytes, count);
      continue;
    }
    for (DWORD index = 0; index < count; index++) {
      bool is_end = bytes[index] == '\n' || held == MAX_LINE_BYTES;
      if (bytes[index] != '\n' && bytes[index] != '\r' && held < MAX_LINE_BYTES) line[held++] = bytes[index];
      if (!is_end || held == 0) continue;
      line[held] = 0;
      held = 0;
      wchar_t *text = to_wide(line);
      log_line(LEVEL_INFO, L"%ls", text);
      free(text);
    }
  }
  free(bytes);
  return 0;
}

// A pipe of which the child inherits one end.
static bool make_pipe(HANDLE *reading, HANDLE *writing, bool is_read_by_child) {
  SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
  if (!CreatePipe(reading, writing, &inherited, 0)) return false;
  return SetHandleInformation(is_read_by_child ? *writing : *reading, HANDLE_FLAG_INHERIT, 0);
}

static HANDLE make_job(void) {
  HANDLE job = CreateJobObjectW(NULL, NULL);
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};
  if (job != NULL && !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits)) {
    CloseHandle(job);
    return NULL;
  }
  return job;
}

// Nothing but the two pipes is inherited; the process runs only once it belongs to the job.
static bool create(Child *child, wchar_t *line, wchar_t *environment, HANDLE input, HANDLE output) {
  SIZE_T bytes = 0;
  InitializeProcThreadAttributeList(NULL, 1, 0, &bytes);
  LPPROC_THREAD_ATTRIBUTE_LIST attributes = allocate(bytes);
  HANDLE handles[] = {input, output};
  STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup,
                                            .dwFlags = STARTF_USESTDHANDLES,
                                            .hStdInput = input,
                                            .hStdOutput = output,
                                            .hStdError = output},
                            .lpAttributeList = attributes};
  DWORD flags = CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT | CREATE_SUSPENDED | CREATE_NO_WINDOW;
  PROCESS_INFORMATION process = {0};
  bool is_made = InitializeProcThreadAttributeList(attributes, 1, 0, &bytes) &&
                 UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles, sizeof handles,
                                           NULL, NULL) &&
                 CreateProcessW(NULL, line, NULL, NULL, TRUE, flags, environment, data_dir(), &startup.StartupInfo,
                                &process);
  DWORD error = GetLastError();
  free(attributes);
  if (is_made && !AssignProcessToJobObject(child->job, process.hProcess)) {
    error = GetLastError();
    TerminateProcess(process.hProcess, 1);
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    is_made = false;
  }
  if (!is_made) {
    SetLastError(error);
    return false;
  }
  ResumeThread(process.hThread);
  CloseHandle(process.hThread);
  child->process = process.hProcess;
  child->pid = process.dwProcessId;
  return true;
}

// `tail`: the agent's command and options. `code`: an enrollment code, handed on by the environment. False: see the log.
bool child_start(Child *child, const wchar_t *tail, const wchar_t *code) {
  *child = (Child){.is_text = code != NULL};
  wchar_t *line = agent_command_line(tail);
  if (line == NULL) {
    log_line(LEVEL_ERROR, L"no version of the agent is in %ls\\versions: repair the installation", install_dir());
    return false;
  }
  wchar_t *host = format_text(L"MILLRACE_SERVICE_HOST=%ls", host_path());
  wchar_t *config = format_text(L"MILLRACE_AGENT_CONFIG=%ls\\agent.yaml", data_dir());
  wchar_t *secret = code == NULL ? NULL : format_text(L"MILLRACE_ENROLLMENT_CODE=%ls", code);
  const wchar_t *const extra[] = {host, config, L"MILLRACE_STOP_BY_STDIN=1", secret, NULL};
  wchar_t *environment = agent_environment(extra);
  HANDLE input = NULL, output = NULL;
  child->job = make_job();
  bool is_started = child->job != NULL && make_pipe(&input, &child->input, true) &&
                    make_pipe(&child->output, &output, false) && create(child, line, environment, input, output);
  DWORD error = GetLastError();
  if (input != NULL) CloseHandle(input);
  if (output != NULL) CloseHandle(output);
  if (secret != NULL) wipe(secret, wcslen(secret) * sizeof(wchar_t));
  free(secret);
  free(host);
  free(config);
  free(environment);
  if (is_started) child->pump = CreateThread(NULL, 0, pump, child, 0, NULL);
  else {
    log_line(LEVEL_ERROR, L"%ls could not be started: %ls", line, error_text(error));
    if (child->input != NULL) CloseHandle(child->input);
    if (child->output != NULL) CloseHandle(child->output);
    if (child->job != NULL) CloseHandle(child->job);
  }
  free(line);
  return is_started;
}

// Asks it to stop, waits STOP_MS, then ends everything in the job. `tick` is called twice a second.
DWORD child_stop(Child *child, void (*tick)(void)) {
  if (child->input != NULL) {
    write_handle(child->input, "stop\n", 5);
    CloseHandle(child->input);
    child->input = NULL;
  }
  for (DWORD waited = 0; waited < STOP_MS; waited += TICK_MS) {
    if (WaitForSingleObject(child->process, TICK_MS) != WAIT_TIMEOUT) return child_end(child);
    tick();
  }
  log_line(LEVEL_WARN, L"the agent did not stop within %d s and was ended; nothing that was read is lost", STOP_MS / 1000);
  event_write(LEVEL_WARN, EVENT_TERMINATED, L"The agent did not stop in time and was ended. Nothing that was read is lost.");
  TerminateJobObject(child->job, 1);
  WaitForSingleObject(child->process, PUMP_END_MS);
  return child_end(child);
}

// After its end: what it left behind ends too. Gives its exit code.
DWORD child_end(Child *child) {
  DWORD code = 1;
  GetExitCodeProcess(child->process, &code);
  TerminateJobObject(child->job, 1);
  if (child->pump != NULL) {
    // Its last words may still be in the pipe.
    if (WaitForSingleObject(child->pump, PUMP_END_MS) == WAIT_TIMEOUT) CancelSynchronousIo(child->pump);
    WaitForSingleObject(child->pump, PUMP_END_MS);
    CloseHandle(child->pump);
  }
  if (child->input != NULL) CloseHandle(child->input);
  CloseHandle(child->output);
  CloseHandle(child->process);
  CloseHandle(child->job);
  return code;
}
