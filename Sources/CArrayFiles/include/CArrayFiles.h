#pragma once

#include <stdbool.h>

/// Whether a file has an access list beyond its mode. Where that cannot be told, it has.
bool arrayfiles_has_access_list(const char *_Nonnull path);

/// Gives an open file the access list of another. False where that fails.
bool arrayfiles_copy_access_list(const char *_Nonnull path, int descriptor);
