#if defined(__aarch64__)
#define ISA neon
#define COLUMNS 1
#define HAS_FMA 1
#define HAS_HALF 1
#include "Kernels.h"
#endif
