// A stand-in for CUDA's driver on machines without a GPU of NVIDIA's: those of its functions that this package calls,
// on top of an OpenCL whose devices share the host's memory, as PoCL's do. It runs the package's own kernels, from
// their source. It is stricter than the driver where that finds mistakes: addresses are checked, fresh memory is NaN,
// and what belongs to another context is refused.

#ifndef STAND_IN_CUDA_H
#define STAND_IN_CUDA_H

#include <stddef.h>

/// How many devices there are. They differ in nothing, so that tests can spoil one each.
/// `cuDeviceGetCount` shows only the first two: a caller that wants more replaces that function.
enum { STAND_IN_CUDA_DEVICES = 16, STAND_IN_CUDA_SHOWN = 2 };

/// The address of one of the driver's functions, as `dlsym` would give it, or null.
void *_Nullable stand_in_cuda_symbol(const char *_Nonnull name);

/// Whether there is an OpenCL to stand on.
int stand_in_cuda_is_there(void);

/// How many bytes the device has: 1 GiB until it is said otherwise.
void stand_in_cuda_set_memory(int ordinal, size_t byteCount);

/// How many bytes are allocated on the device.
size_t stand_in_cuda_memory_in_use(int ordinal);

/// The next `calls` kernels and copies go well, and the one after these breaks the context: it is queued like the
/// others, and every later call returns `error`, until the context has been released.
void stand_in_cuda_break(int ordinal, int calls, unsigned error);

/// Whether the device has fallen behind: events do not come to pass until someone waits for them.
void stand_in_cuda_set_slow(int ordinal, int isSlow);

#endif
