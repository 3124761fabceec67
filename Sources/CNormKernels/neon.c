#if defined(__aarch64__)
#define ISA neon
#define COLUMNS 1
#define HAS_FMA 1
#define HAS_HALF 1
#define RUNS_HERE true
#include "Kernels.h"
#endif
