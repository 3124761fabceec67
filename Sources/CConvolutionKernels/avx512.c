#if defined(__x86_64__)
#define ISA avx512
#define HAS_FMA 1
#define HAS_HALF 1
#define TILE_ROWS 12
#define MOST_VECTORS 4
#define FEATURES "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c"
#pragma clang attribute push(__attribute__((target(FEATURES))), apply_to = function)
#include "Kernels.h"
#pragma clang attribute pop
#endif
