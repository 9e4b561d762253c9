/* What JavaScript cannot do around the loading of TensorFlow: silence lines that its C++ writes to standard error before any setting is
   read, and load CUDA's libraries from a folder where the dynamic linker does not look. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

static int saved = -1;

/* quiet(): standard error goes nowhere until loud(). */
static napi_value quiet(napi_env env, napi_callback_info info) {
  int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (saved < 0 && nowhere >= 0) {
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (saved >= 0) dup2(nowhere, STDERR_FILENO);
  }
  if (nowhere >= 0) close(nowhere);
  return NULL;
}

static napi_value loud(napi_env env, napi_callback_info info) {
  if (saved >= 0) {
    dup2(saved, STDERR_FILENO);
    close(saved);
    saved = -1;
  }
  return NULL;
}

/* preload(path): true when the shared library is loaded with its symbols visible to libraries loaded later. */
static napi_value preload(napi_env env, napi_callback_info info) {
  char path[4096];
  size_t count = 1, length;
  napi_value argument, result;
  int loaded = 0;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok && count == 1 &&
      napi_get_value_string_utf8(env, argument, path, sizeof path, &length) == napi_ok)
    loaded = dlopen(path, RTLD_LAZY | RTLD_GLOBAL) != NULL;
  napi_get_boolean(env, loaded, &result);
  return result;
}

NAPI_MODULE_INIT() {
  static const struct { const char *name; napi_callback call; } functions[] = {{"quiet", quiet}, {"loud", loud}, {"preload", preload}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value value;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &value) != napi_ok) return NULL;
    napi_set_named_property(env, exports, functions[i].name, value);
  }
  return exports;
}
