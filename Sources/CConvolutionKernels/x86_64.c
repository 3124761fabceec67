// What every x86-64 processor has.
#if defined(__x86_64__)
#define ISA x86_64
#define HAS_FMA 0
#define HAS_HALF 0
#define TILE_ROWS 2
#define MOST_VECTORS 1
#include "Kernels.h"
#endif
