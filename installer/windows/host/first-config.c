// The first configuration, from what the installer was told.
#include "host.h"
#include <wincrypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

typedef struct {
  wchar_t *url, *user, *password;
} Proxy;

static int hex_digit(wchar_t digit) {
  if (digit >= L'0' && digit <= L'9') return digit - L'0';
  if (digit >= L'a' && digit <= L'f') return digit - L'a' + 10;
  if (digit >= L'A' && digit <= L'F') return digit - L'A' + 10;
  return -1;
}

// %40 and the like become what they stand for.
static wchar_t *percent_decoded(const wchar_t *text, size_t length) {
  wchar_t *part = allocate((length + 1) * sizeof(wchar_t));
  wcsncpy(part, text, length);
  char *utf8 = to_utf8(part), *at = utf8;
  for (const char *from = utf8; *from != 0; from++) {
    int high = from[0] == '%' && from[1] != 0 ? hex_digit((wchar_t)from[1]) : -1;
    int low = high >= 0 ? hex_digit((wchar_t)from[2]) : -1;
    if (low < 0) *at++ = *from;
    else {
      *at++ = (char)(high * 16 + low);
      from += 2;
    }
  }
  *at = 0;
  wchar_t *decoded = to_wide(utf8);
  wipe(utf8, strlen(utf8));
  free(utf8);
  free(part);
  return decoded;
}

// http://user:password@proxy:3128: the password must not stand in the file.
static Proxy split_proxy(const wchar_t *url) {
  Proxy proxy = {0};
  const wchar_t *authority = wcsstr(url, L"://");
  authority = authority == NULL ? url : authority + 3;
  size_t length = wcscspn(authority, L"/");
  const wchar_t *at = NULL;
  for (size_t index = 0; index < length; index++)
    if (authority[index] == L'@') at = authority + index;
  if (at == NULL) {
    proxy.url = format_text(L"%ls", url);
    return proxy;
  }
  proxy.url = format_text(L"%.*ls%ls", (int)(authority - url), url, at + 1);
  size_t user_length = wcscspn(authority, L":@");
  proxy.user = percent_decoded(authority, user_length);
  if (authority[user_length] == L':')
    proxy.password = percent_decoded(authority + user_length + 1, (size_t)(at - authority) - user_length - 1);
  return proxy;
}

static bool keep_proxy_password(const Proxy *proxy) {
  if (proxy->password == NULL) return true;
  char *utf8 = to_utf8(proxy->password);
  wchar_t *path = in_data_dir(L"secrets\\proxy-password");
  void *blob = NULL;
  size_t length = 0;
  bool is_kept = protect_bytes(utf8, strlen(utf8), &blob, &length) && replace_file(path, blob, length);
  if (!is_kept) say(true, L"the proxy's password could not be kept in %ls: %ls", path, error_text(GetLastError()));
  wipe(utf8, strlen(utf8));
  free(utf8);
  free(blob);
  free(path);
  return is_kept;
}

// Certificates come as PEM, or as the DER that Windows exports by default.
static bool copy_ca_file(const wchar_t *ca_file) {
  char *bytes = NULL, *pem = NULL;
  size_t length = 0;
  if (!read_named(L"CAFILE", ca_file, &bytes, &length)) return false;
  bool is_pem = strstr(bytes, "-----BEGIN CERTIFICATE-----") != NULL;
  if (is_pem) pem = bytes;
  else if (length > 0 && (unsigned char)bytes[0] == 0x30) {
    DWORD count = 0;
    CryptBinaryToStringA((BYTE *)bytes, (DWORD)length, CRYPT_STRING_BASE64HEADER, NULL, &count);
    pem = allocate((size_t)count + 1);
    CryptBinaryToStringA((BYTE *)bytes, (DWORD)length, CRYPT_STRING_BASE64HEADER, pem, &count);
  }
  wchar_t *path = in_data_dir(L"relay-ca.pem");
  bool is_copied = pem != NULL && replace_file(path, pem, strlen(pem));
  if (pem == NULL) say(true, L"CAFILE=%ls holds no certificate in PEM or DER", ca_file);
  else if (!is_copied) say(true, L"%ls could not be written: %ls", path, error_text(GetLastError()));
  free(path);
  if (pem != bytes) free(pem);
  free(bytes);
  return is_copied;
}

static char *setting_line(const char *name, const wchar_t *value) {
  if (value == NULL) return allocate(1);
  char *quoted = yaml_string(value);
  char *line = allocate(strlen(name) + strlen(quoted) + 8);
  sprintf(line, "  %s: %s\n", name, quoted);
  free(quoted);
  return line;
}

static bool write_config(const wchar_t *path, const Wishes *wishes, const Proxy *proxy) {
  char *url = setting_line("url", wishes->server);
  char *ca = setting_line("ca_file", wishes->ca_file == NULL ? NULL : L"relay-ca.pem");
  char *proxy_url = setting_line("proxy", proxy->url);
  char *user = setting_line("proxy_user", proxy->user);
  char *password = setting_line("proxy_password", proxy->password == NULL ? NULL : L"{credential:proxy-password}");
  bool has_relay = *url != 0 || *ca != 0 || *proxy_url != 0;
  static const char head[] = "# The configuration of this Millrace agent. Check it after an edit: millrace-agent check-config\n"
                             "# It is made once and never overwritten.\n";
  static const char tail[] = "data_dir: data\nstatus_page:\n  listen: 127.0.0.1:8692\nconnections: []\n";
  size_t capacity = sizeof head + sizeof tail + strlen(url) + strlen(ca) + strlen(proxy_url) + strlen(user) + strlen(password) + 32;
  char *text = allocate(capacity);
  snprintf(text, capacity, "%s%s%s%s%s%s%s%s", head, has_relay ? "relay:\n" : "", url, ca, proxy_url, user, password, tail);
  bool is_written = replace_file(path, text, strlen(text));
  if (!is_written) say(true, L"%ls could not be written: %ls", path, error_text(GetLastError()));
  char *const parts[] = {url, ca, proxy_url, user, password, text};
  for (size_t index = 0; index < sizeof parts / sizeof *parts; index++) free(parts[index]);
  return is_written;
}

// A configuration that is there wins over what the installer was told.
bool make_config(const Wishes *wishes) {
  wchar_t *path = in_data_dir(L"agent.yaml");
  bool is_good = true;
  if (is_file(path)) say(false, L"%ls is there already and stays as it is.", path);
  else {
    Proxy proxy = wishes->proxy == NULL ? (Proxy){0} : split_proxy(wishes->proxy);
    is_good = (wishes->ca_file == NULL || copy_ca_file(wishes->ca_file)) && keep_proxy_password(&proxy) &&
              write_config(path, wishes, &proxy);
    if (is_good) say(false, L"%ls was made.", path);
    free(proxy.url);
    free(proxy.user);
    if (proxy.password != NULL) wipe(proxy.password, wcslen(proxy.password) * sizeof(wchar_t));
    free(proxy.password);
  }
  free(path);
  return is_good;
}
