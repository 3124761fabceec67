// What every x86-64 processor has.
#if defined(__x86_64__)
#define ISA x86_64
#define COLUMNS 1
#define HAS_FMA 0
#define HAS_HALF 0
#include "Kernels.h"
#endif
