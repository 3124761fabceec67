#define _GNU_SOURCE

#include "include/instancenorm.h"
#include "include/last_error.h"

#include <dlfcn.h>
#include <string.h>

static _Thread_local char last_error[512];

const char *instnorm_last_error(void) { return last_error; }

void instnorm_set_last_error(const char *message) {
  strncpy(last_error, message, sizeof last_error - 1);
  last_error[sizeof last_error - 1] = 0;
}

/* Threads stand ready in the library's code, so that code has to stay when a program closes the library. */
__attribute__((constructor)) static void stay(void) {
  Dl_info info;
  if (dladdr((const void *)instnorm_last_error, &info) != 0 && info.dli_fname != NULL)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}
