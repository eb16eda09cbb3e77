// Data that only this machine can read (DPAPI). Who on this machine may, is for the file's access rights to say.
#include "host.h"
#include <dpapi.h>
#include <stdlib.h>
#include <string.h>

bool protect_bytes(const void *bytes, size_t length, void **blob, size_t *blob_length) {
  DATA_BLOB in = {.cbData = (DWORD)length, .pbData = (BYTE *)bytes}, out = {0};
  // The service and the administrator who sets a secret are different accounts: only the machine's key serves both.
  DWORD flags = CRYPTPROTECT_LOCAL_MACHINE | CRYPTPROTECT_UI_FORBIDDEN;
  if (!CryptProtectData(&in, PRODUCT_NAME, NULL, NULL, NULL, flags, &out)) return false;
  *blob = allocate(out.cbData);
  memcpy(*blob, out.pbData, out.cbData);
  *blob_length = out.cbData;
  LocalFree(out.pbData);
  return true;
}

// A zero byte follows what was protected.
bool unprotect_bytes(const void *blob, size_t length, char **bytes, size_t *bytes_length) {
  DATA_BLOB in = {.cbData = (DWORD)length, .pbData = (BYTE *)blob}, out = {0};
  if (!CryptUnprotectData(&in, NULL, NULL, NULL, NULL, CRYPTPROTECT_UI_FORBIDDEN, &out)) return false;
  *bytes = allocate((size_t)out.cbData + 1);
  memcpy(*bytes, out.pbData, out.cbData);
  *bytes_length = out.cbData;
  wipe(out.pbData, out.cbData);
  LocalFree(out.pbData);
  return true;
}

// Standard input to standard output.
int protect_command(bool is_protecting) {
  char *in = NULL, *out = NULL;
  size_t in_length = 0, out_length = 0;
  if (!read_input(&in, &in_length)) return 1;
  bool is_done = is_protecting ? protect_bytes(in, in_length, (void **)&out, &out_length)
                               : unprotect_bytes(in, in_length, &out, &out_length);
  DWORD error = GetLastError();
  wipe(in, in_length);
  free(in);
  if (!is_done) {
    if (is_protecting) say(true, L"protecting failed: %ls", error_text(error));
    else say(true, L"this cannot be decrypted here: %ls; it was made on another machine, or is damaged: set the secret again", error_text(error));
    return 1;
  }
  bool is_written = write_handle(GetStdHandle(STD_OUTPUT_HANDLE), out, out_length);
  wipe(out, out_length);
  free(out);
  return is_written ? 0 : 1;
}
