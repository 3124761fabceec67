#include "include/instancenorm.h"
#include "include/last_error.h"

#include <string.h>

static _Thread_local char last_error[512];

const char *instnorm_last_error(void) { return last_error; }

void instnorm_set_last_error(const char *message) {
  strncpy(last_error, message, sizeof last_error - 1);
  last_error[sizeof last_error - 1] = 0;
}
