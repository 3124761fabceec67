#if defined(__aarch64__)
#define ISA neon
#define HAS_FMA 1
#define HAS_HALF 1
#define TILE_ROWS 6
#define MOST_VECTORS 1
#include "Kernels.h"
#endif
