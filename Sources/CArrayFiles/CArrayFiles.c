#include "include/CArrayFiles.h"

#if defined(__linux__)
#include <errno.h>
#include <sys/xattr.h>

static const char name[] = "system.posix_acl_access";

bool arrayfiles_has_access_list(const char *path) {
  ssize_t size = getxattr(path, name, 0, 0);
  return size > 0 || (size < 0 && errno != ENODATA && errno != ENOTSUP);
}

bool arrayfiles_copy_access_list(const char *path, int descriptor) {
  // Five hundred entries fit.
  char list[1 << 12];
  ssize_t size = getxattr(path, name, list, sizeof list);
  return size > 0 && fsetxattr(descriptor, name, list, (size_t)size, 0) == 0;
}
#else
bool arrayfiles_has_access_list(const char *path) {
  (void)path;
  return false;
}

bool arrayfiles_copy_access_list(const char *path, int descriptor) {
  (void)path;
  (void)descriptor;
  return false;
}
#endif
