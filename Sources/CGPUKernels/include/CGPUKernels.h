// The kernels of GPUs as text: OpenCL compiles their source when they are first used, CUDA gets PTX that
// `script/kernels` made of the same source.

#ifndef CGPU_KERNELS_H
#define CGPU_KERNELS_H

#include "KernelCalls.h"

/// What stands before the kernels for OpenCL, and the kernels; texts that end in 0.
extern const char *const kernel_prelude_opencl;
extern const int kernel_source_count;
const char *kernel_source(int index);

/// PTX for the type with this TYPE number, a text that ends in 0.
const char *kernel_ptx(int type);

#endif
