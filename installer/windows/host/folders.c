// Folders and who may use them: the system, the administrators, and the service as far as it needs to.
#include "host.h"
#include <aclapi.h>
#include <sddl.h>
#include <stdlib.h>
#include <wchar.h>

// NT SERVICE\MillraceAgent: S-1-5-80 and the SHA-1 of the service's name in capitals.
#define SERVICE_SID L"S-1-5-80-2945681142-3392986390-3687139832-1753126666-2069402908"
#define ONLY_ADMINISTRATORS L"O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
// Everybody may read the event log's texts out of the host; who may run the agent, its own folder says.
#define EVERYBODY_READS SERVICE_READS L"(A;OICI;0x1200a9;;;BU)"
#define SERVICE_READS ONLY_ADMINISTRATORS L"(A;OICI;0x1200a9;;;" SERVICE_SID L")"
#define SERVICE_CHANGES ONLY_ADMINISTRATORS L"(A;OICI;0x1301bf;;;" SERVICE_SID L")"

static void enable_privilege(const wchar_t *name) {
  HANDLE token;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token)) return;
  TOKEN_PRIVILEGES wanted = {.PrivilegeCount = 1, .Privileges[0].Attributes = SE_PRIVILEGE_ENABLED};
  if (LookupPrivilegeValueW(NULL, name, &wanted.Privileges[0].Luid))
    AdjustTokenPrivileges(token, FALSE, &wanted, 0, NULL, NULL);
  CloseHandle(token);
}

// Owner and access rights of a folder; what is in it inherits them.
static bool protect_folder(const wchar_t *path, const wchar_t *sddl) {
  PSECURITY_DESCRIPTOR descriptor = NULL;
  PACL acl = NULL;
  PSID owner = NULL;
  BOOL is_present, is_default;
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, &descriptor, NULL)) return false;
  GetSecurityDescriptorDacl(descriptor, &is_present, &acl, &is_default);
  GetSecurityDescriptorOwner(descriptor, &owner, &is_default);
  SECURITY_INFORMATION parts = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
  DWORD error = SetNamedSecurityInfoW((wchar_t *)path, SE_FILE_OBJECT, parts, NULL, NULL, acl, NULL);
  // Whoever owns a folder can change its rights: a folder that was there before must not stay somebody's.
  DWORD owner_error = SetNamedSecurityInfoW((wchar_t *)path, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, owner, NULL, NULL, NULL);
  LocalFree(descriptor);
  if (error == ERROR_SUCCESS && owner_error != ERROR_SUCCESS)
    say(false, L"%ls keeps its owner: %ls", path, error_text(owner_error));
  SetLastError(error);
  return error == ERROR_SUCCESS;
}

static bool is_trusted(PSID sid) {
  static const wchar_t *const trusted[] = {L"S-1-5-18", L"S-1-5-19", L"S-1-5-32-544", SERVICE_SID};
  for (size_t index = 0; index < sizeof trusted / sizeof *trusted; index++) {
    PSID each = NULL;
    bool is_same = ConvertStringSidToSidW(trusted[index], &each) && EqualSid(sid, each);
    LocalFree(each);
    if (is_same) return true;
  }
  BYTE user[256];
  DWORD bytes = 0;
  HANDLE token;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return false;
  bool is_ours = GetTokenInformation(token, TokenUser, user, sizeof user, &bytes) && EqualSid(sid, ((TOKEN_USER *)user)->User.Sid);
  CloseHandle(token);
  return is_ours;
}

// Anybody may make a folder in ProgramData: what waits there for us must not be believed.
static bool is_ours(const wchar_t *path) {
  DWORD attributes = GetFileAttributesW(path);
  if (attributes == INVALID_FILE_ATTRIBUTES) return true;
  PSID owner = NULL;
  PSECURITY_DESCRIPTOR descriptor = NULL;
  bool is_link = (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
  DWORD error = GetNamedSecurityInfoW((wchar_t *)path, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL, NULL, NULL, &descriptor);
  bool is_good = !is_link && error == ERROR_SUCCESS && is_trusted(owner);
  LocalFree(descriptor);
  if (is_good) return true;
  say(true, L"%ls is there already and %ls; remove it, or give it to the administrators (takeown /A /R /F), or choose another DATADIR",
      path, is_link ? L"is a link" : L"does not belong to the administrators");
  return false;
}

static bool make_folder(const wchar_t *name, const wchar_t *sddl) {
  wchar_t *path = name[0] == 0 ? format_text(L"%ls", data_dir()) : in_data_dir(name);
  bool is_made = is_ours(path);
  if (is_made) {
    is_made = is_folder(path) || CreateDirectoryW(path, NULL);
    if (is_made && sddl != NULL) is_made = protect_folder(path, sddl);
    if (!is_made) say(true, L"%ls could not be made ready: %ls", path, error_text(GetLastError()));
  }
  free(path);
  return is_made;
}

static bool limit(const wchar_t *below, const wchar_t *sddl) {
  wchar_t *path = format_text(L"%ls%ls", install_dir(), below);
  bool is_limited = protect_folder(path, sddl);
  if (!is_limited) say(true, L"access to %ls could not be limited: %ls", path, error_text(GetLastError()));
  free(path);
  return is_limited;
}

// The folders of installation and data, with their access rights.
bool make_folders(void) {
  enable_privilege(SE_RESTORE_NAME);
  enable_privilege(SE_TAKE_OWNERSHIP_NAME);
  // DATADIR may be a few folders deep.
  wchar_t *path = format_text(L"%ls", data_dir());
  for (wchar_t *slash = wcschr(path, L'\\'); slash != NULL; slash = wcschr(slash + 1, L'\\')) {
    *slash = 0;
    if (slash - path > 2 && !is_folder(path)) CreateDirectoryW(path, NULL);
    *slash = L'\\';
  }
  free(path);
  wchar_t *config = in_data_dir(L"agent.yaml");
  bool is_good = make_folder(L"", SERVICE_READS) && is_ours(config) && make_folder(L"data", SERVICE_CHANGES) &&
                 make_folder(L"logs", SERVICE_CHANGES) && make_folder(L"secrets", SERVICE_READS);
  free(config);
  return is_good && limit(L"", EVERYBODY_READS) && limit(L"\\versions", SERVICE_READS);
}
