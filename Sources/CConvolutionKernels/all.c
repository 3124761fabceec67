#include "include/CConvolutionKernels.h"

extern const convolution_kernels convolution_kernels_avx512, convolution_kernels_avx2, convolution_kernels_x86_64,
    convolution_kernels_neon;

static const convolution_kernels *const all[] = {
#if defined(__x86_64__)
    &convolution_kernels_avx512, &convolution_kernels_avx2, &convolution_kernels_x86_64,
#elif defined(__aarch64__)
    &convolution_kernels_neon,
#endif
    0,
};

const convolution_kernels *convolution_kernels_at(size_t index) {
  return index < sizeof all / sizeof *all ? all[index] : 0;
}
