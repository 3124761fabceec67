// For the Swift side of the interface alone; not part of it.

#ifndef INSTANCENORM_SWIFT_SIDE_H
#define INSTANCENORM_SWIFT_SIDE_H

#include <stdint.h>

#pragma clang assume_nonnull begin

/// Begins this thread's last error anew with a function's name. What is added takes no memory, and is cut off where it
/// is too long.
void instnorm_begin_error(const char *function);
void instnorm_add_to_error(const char *words);
void instnorm_add_integer_to_error(int64_t value);
/// The shortest that reads back as the value.
void instnorm_add_real_to_error(double value);
void instnorm_add_address_to_error(uintptr_t value);

/// An address that no value is read from or written to.
void *instnorm_nowhere(void);

/// Swift's part of loading the library.
void instnorm_prepare(void);

#pragma clang assume_nonnull end

#endif
