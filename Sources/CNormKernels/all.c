#include "include/CNormKernels.h"

extern const norm_kernels norm_kernels_avx512, norm_kernels_avx2, norm_kernels_x86_64, norm_kernels_neon;

static const norm_kernels *const all[] = {
#if defined(__x86_64__)
    &norm_kernels_avx512, &norm_kernels_avx2, &norm_kernels_x86_64,
#elif defined(__aarch64__)
    &norm_kernels_neon,
#endif
    0,
};

const norm_kernels *norm_kernels_at(size_t index) {
  return index < sizeof all / sizeof *all ? all[index] : 0;
}
