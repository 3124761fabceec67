#include "include/CElementKernels.h"

extern const element_kernels element_kernels_avx512, element_kernels_avx2, element_kernels_x86_64, element_kernels_neon;

static const element_kernels *const all[] = {
#if defined(__x86_64__)
    &element_kernels_avx512, &element_kernels_avx2, &element_kernels_x86_64,
#elif defined(__aarch64__)
    &element_kernels_neon,
#endif
    0,
};

const element_kernels *element_kernels_at(size_t index) {
  return index < sizeof all / sizeof *all ? all[index] : 0;
}
