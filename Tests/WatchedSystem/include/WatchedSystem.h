#pragma once

#include <stdbool.h>

/// From here on, notes what this thread's calls of fsync and rename do, and lets fsync fail.
///
/// - Parameters:
///   - file_error: the number of the error that fsync of a file fails with; 0 for none.
///   - folder_error: likewise of a folder.
void watched_start(int file_error, int folder_error);

/// - Returns: a letter for each call since the start: `f` fsync of a file, `d` of a folder, `r` rename. Valid until the
///   next start.
const char *_Nonnull watched_stop(void);

/// Gives a file an access list by which a user beside owner and group may read it, and its group may not.
///
/// - Returns: false where the system has no such lists.
bool watched_set_access_list(const char *_Nonnull path);

/// Whether a file has just the list that ``watched_set_access_list`` gives.
bool watched_has_access_list(const char *_Nonnull path);
