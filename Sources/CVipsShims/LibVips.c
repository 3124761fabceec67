#include "LibVips.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

libvips_functions libvips;

static char missing[512] = "libvips has not been opened";

const char *libvips_missing(void) { return missing[0] ? missing : NULL; }

bool libvips_open(void) {
#if defined(__APPLE__)
  static const char *const names[] = {"libvips.42.dylib", "/opt/homebrew/lib/libvips.42.dylib",
                                      "/usr/local/lib/libvips.42.dylib"};
  static const char advice[] = "brew install vips";
#else
  static const char *const names[] = {"libvips.so.42"};
  static const char advice[] = "on Debian and Ubuntu: apt install libvips42";
#endif
  // Where it is somewhere else.
  const char *own = getenv("INSTNORM_LIBVIPS");
  void *handle = own ? dlopen(own, RTLD_NOW | RTLD_LOCAL) : NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !own && !handle; i++) handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    if (own) snprintf(missing, sizeof missing, "INSTNORM_LIBVIPS is '%s', which is no library", own);
    else snprintf(missing, sizeof missing, "libvips 8 is needed for this, and is not installed (%s)", advice);
    return false;
  }
#define FIND(result, name, arguments)                                                                                  \
  *(void **)&libvips.name = dlsym(handle, #name);                                                                      \
  if (!libvips.name) {                                                                                                 \
    snprintf(missing, sizeof missing, "the libvips here has no %s; a later one is needed", #name);                     \
    return false;                                                                                                      \
  }
  EACH_LIBVIPS_FUNCTION(FIND)
#undef FIND
  missing[0] = 0;
  return true;
}
