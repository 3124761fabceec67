// The texts of the kernels, as they are in the files beside this one. script/kernels reads here what a family is made of,
// and which types it is compiled for.

#include "CGPUKernels.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char prelude_opencl[] = {
#embed "Kernels/prelude_opencl.h"
  , 0};
static const char calls[] = {
#embed "include/KernelCalls.h"
  , 0};
static const char values[] = {
#embed "Kernels/values.h"
  , 0};
static const char numbers[] = {
#embed "Kernels/numbers.h"
  , 0};
static const char vectors[] = {
#embed "Kernels/vectors.h"
  , 0};
static const char types[] = {
#embed "Kernels/types.h"
  , 0};
static const char normalization[] = {
#embed "Kernels/normalization.h"
  , 0};
static const char gradient[] = {
#embed "Kernels/gradient.h"
  , 0};
static const char statistics[] = {
#embed "Kernels/statistics.h"
  , 0};
static const char pointwise[] = {
#embed "Kernels/pointwise.h"
  , 0};
static const char binary[] = {
#embed "Kernels/binary.h"
  , 0};
static const char updates[] = {
#embed "Kernels/updates.h"
  , 0};
static const char orders[] = {
#embed "Kernels/orders.h"
  , 0};
static const char reduction[] = {
#embed "Kernels/reduction.h"
  , 0};
static const char tiles[] = {
#embed "Kernels/tiles.h"
  , 0};
static const char matrix[] = {
#embed "Kernels/matrix.h"
  , 0};
static const char pictures[] = {
#embed "Kernels/pictures.h"
  , 0};
static const char convolution[] = {
#embed "Kernels/convolution.h"
  , 0};
static const char pooling[] = {
#embed "Kernels/pooling.h"
  , 0};
static const char rearrange[] = {
#embed "Kernels/rearrange.h"
  , 0};

const char *const kernel_prelude_opencl = prelude_opencl;

static const char *const sources[FAMILY_COUNT][8] = {
  [FAMILY_NORMALIZATION] = {calls, values, numbers, normalization, gradient},
  [FAMILY_STATISTICS] = {calls, values, numbers, statistics},
  [FAMILY_POINTWISE] = {calls, values, numbers, vectors, pointwise},
  [FAMILY_BINARY] = {calls, values, numbers, vectors, binary},
  [FAMILY_UPDATES] = {calls, values, numbers, vectors, updates},
  [FAMILY_REDUCTION] = {calls, values, numbers, types, orders, reduction},
  [FAMILY_MATRIX] = {calls, values, numbers, types, tiles, matrix},
  [FAMILY_CONVOLUTION] = {calls, values, numbers, types, tiles, pictures, convolution},
  [FAMILY_POOLING] = {calls, values, numbers, types, orders, pictures, pooling},
  [FAMILY_REARRANGE] = {calls, values, numbers, types, rearrange},
};
const char *kernel_source(int family, int index) { return sources[family][index]; }

static const char normalization_float16[] = {
#embed "PTX/normalization-float16.ptx"
  , 0};
static const char normalization_bfloat16[] = {
#embed "PTX/normalization-bfloat16.ptx"
  , 0};
static const char normalization_float32[] = {
#embed "PTX/normalization-float32.ptx"
  , 0};
static const char normalization_float64[] = {
#embed "PTX/normalization-float64.ptx"
  , 0};
static const char statistics_float32[] = {
#embed "PTX/statistics-float32.ptx"
  , 0};
static const char pointwise_float16[] = {
#embed "PTX/pointwise-float16.ptx"
  , 0};
static const char pointwise_bfloat16[] = {
#embed "PTX/pointwise-bfloat16.ptx"
  , 0};
static const char pointwise_float32[] = {
#embed "PTX/pointwise-float32.ptx"
  , 0};
static const char pointwise_float64[] = {
#embed "PTX/pointwise-float64.ptx"
  , 0};
static const char binary_float16[] = {
#embed "PTX/binary-float16.ptx"
  , 0};
static const char binary_bfloat16[] = {
#embed "PTX/binary-bfloat16.ptx"
  , 0};
static const char binary_float32[] = {
#embed "PTX/binary-float32.ptx"
  , 0};
static const char binary_float64[] = {
#embed "PTX/binary-float64.ptx"
  , 0};
static const char updates_float16[] = {
#embed "PTX/updates-float16.ptx"
  , 0};
static const char updates_bfloat16[] = {
#embed "PTX/updates-bfloat16.ptx"
  , 0};
static const char updates_float32[] = {
#embed "PTX/updates-float32.ptx"
  , 0};
static const char updates_float64[] = {
#embed "PTX/updates-float64.ptx"
  , 0};
static const char reduction_float32[] = {
#embed "PTX/reduction-float32.ptx"
  , 0};
static const char matrix_float32[] = {
#embed "PTX/matrix-float32.ptx"
  , 0};
static const char convolution_float32[] = {
#embed "PTX/convolution-float32.ptx"
  , 0};
static const char pooling_float32[] = {
#embed "PTX/pooling-float32.ptx"
  , 0};
static const char rearrange_float32[] = {
#embed "PTX/rearrange-float32.ptx"
  , 0};

static const char *const ptx[FAMILY_COUNT][TYPE_FLOAT64 + 1] = {
  [FAMILY_NORMALIZATION] =
    {normalization_float16, normalization_bfloat16, normalization_float32, normalization_float64},
  [FAMILY_STATISTICS] = {[TYPE_FLOAT32] = statistics_float32},
  [FAMILY_POINTWISE] =
    {pointwise_float16, pointwise_bfloat16, pointwise_float32, pointwise_float64},
  [FAMILY_BINARY] =
    {binary_float16, binary_bfloat16, binary_float32, binary_float64},
  [FAMILY_UPDATES] =
    {updates_float16, updates_bfloat16, updates_float32, updates_float64},
  [FAMILY_REDUCTION] = {[TYPE_FLOAT32] = reduction_float32},
  [FAMILY_MATRIX] = {[TYPE_FLOAT32] = matrix_float32},
  [FAMILY_CONVOLUTION] = {[TYPE_FLOAT32] = convolution_float32},
  [FAMILY_POOLING] = {[TYPE_FLOAT32] = pooling_float32},
  [FAMILY_REARRANGE] = {[TYPE_FLOAT32] = rearrange_float32},
};
const char *kernel_ptx(int family, int type) { return ptx[family][type]; }
