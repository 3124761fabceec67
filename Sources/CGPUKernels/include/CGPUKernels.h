// The kernels of GPUs as text: OpenCL compiles their source when they are first used, CUDA gets PTX that
// `script/kernels` made of the same source.

#ifndef CGPU_KERNELS_H
#define CGPU_KERNELS_H

#include "KernelCalls.h"

/// Kernels that are compiled together, and nothing else with them.
enum {
  FAMILY_NORMALIZATION,
  FAMILY_STATISTICS,
  FAMILY_POINTWISE,
  FAMILY_BINARY,
  FAMILY_UPDATES,
  FAMILY_REDUCTION,
  FAMILY_MATRIX,
  FAMILY_CONVOLUTION,
  FAMILY_POOLING,
  FAMILY_REARRANGE,
  FAMILY_COUNT
};

/// What stands before the kernels for OpenCL.
extern const char *const kernel_prelude_opencl;
/// The source of a family's kernels in some pieces, texts that end in 0; null after the last.
const char *kernel_source(int family, int index);

/// A family's PTX for the type with this TYPE number, a text that ends in 0; null where the family is not compiled for
/// it, since its kernels are told types as arguments: then it is compiled for float32.
const char *kernel_ptx(int family, int type);

#endif
