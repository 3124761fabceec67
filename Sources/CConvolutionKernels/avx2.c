#if defined(__x86_64__)
#define ISA avx2
#define HAS_FMA 1
#define HAS_HALF 1
#define TILE_ROWS 6
#define MOST_VECTORS 1
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "Kernels.h"
#pragma clang attribute pop
#endif
