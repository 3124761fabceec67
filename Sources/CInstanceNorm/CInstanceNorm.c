#define _GNU_SOURCE

#include "include/instancenorm.h"
#include "include/swift_side.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char last_error[512];

const char *instnorm_last_error(void) { return last_error; }

void instnorm_begin_error(const char *function) {
  last_error[0] = 0;
  instnorm_add_to_error(function);
  instnorm_add_to_error(": ");
}

void instnorm_add_to_error(const char *words) {
  const size_t length = strlen(last_error);
  strncpy(last_error + length, words, sizeof last_error - 1 - length);
  last_error[sizeof last_error - 1] = 0;
}

void instnorm_add_integer_to_error(int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRId64, value);
  instnorm_add_to_error(text);
}

void instnorm_add_real_to_error(double value) {
  char text[32];
  int digits = 1;
  do snprintf(text, sizeof text, "%.*g", digits, value);
  while (strtod(text, NULL) != value && ++digits <= 17);
  instnorm_add_to_error(text);
}

void instnorm_add_address_to_error(uintptr_t value) {
  char text[24];
  snprintf(text, sizeof text, "0x%" PRIxPTR, value);
  instnorm_add_to_error(text);
}

void *instnorm_nowhere(void) {
  static _Alignas(64) char nowhere[64];
  return nowhere;
}

/* Threads stand ready in the library's code, so that code has to stay when a program closes the library. */
__attribute__((constructor)) static void stay(void) {
  Dl_info info;
  if (dladdr((const void *)instnorm_last_error, &info) != 0 && info.dli_fname != NULL)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  instnorm_prepare();
}
